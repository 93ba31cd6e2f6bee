"""The rules file: which part of which family goes where. Pure, apart from reading the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from placement.errors import BadRules

DEVICE = re.compile(r"cpu|cuda(:\d+)?")
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
BACKENDS = ("math", "flash", "efficient", "cudnn")
_KEYS = {"part", "family", "kind", "use"}


@dataclass(frozen=True)
class Rule:
    """What parts of a model use that match all three patterns.

    Attributes:
        part, family, kind: shell patterns; ``*`` matches all.
        use: a device; or attention backends in order of preference, or one function as ``module:name``.
    """

    part: str
    family: str
    kind: str
    use: tuple[str, ...]

    def matches(self, part: str, family: str, kind: str) -> bool:
        pairs = ((part, self.part), (family, self.family), (kind, self.kind))
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


@dataclass(frozen=True)
class Rules:
    """The rules of a file, in its order; the first that matches wins."""

    device: tuple[Rule, ...] = ()
    attention: tuple[Rule, ...] = ()


def first_match(rules: tuple[Rule, ...], part: str, family: str, kind: str) -> tuple[str, ...] | None:
    """What the first matching rule says, or None."""
    return next((rule.use for rule in rules if rule.matches(part, family, kind)), None)


def read_rules(path: Path) -> Rules:
    """The rules in a TOML file.

    Raises:
        BadRules: the file can't be read, is no TOML, or has faults; all of them are listed.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRules(path, [str(error)]) from error
    problems = [f"{key!r} is neither `device` nor `attention`" for key in sorted(data.keys() - {"device", "attention"})]
    device = tuple(_rules("device", data.get("device", []), problems))
    attention = tuple(_rules("attention", data.get("attention", []), problems))
    if problems:
        raise BadRules(path, problems)
    return Rules(device, attention)


def _rules(table: str, entries: Any, problems: list[str]) -> Iterator[Rule]:
    if not isinstance(entries, list):
        problems.append(f"`{table}` must be a list of tables: write [[{table}]]")
        return
    for number, entry in enumerate(entries, 1):
        faults = list(_faults(table, entry))
        problems += [f"[[{table}]] number {number}: {fault}" for fault in faults]
        if not faults:
            patterns = {key: entry.get(key, "*") for key in ("part", "family", "kind")}
            yield Rule(**patterns, use=_listed(entry["use"]))


def _faults(table: str, entry: Any) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield "it is no table"
        return
    yield from (f"the key {key!r} is unknown" for key in sorted(entry.keys() - _KEYS))
    patterns = [key for key in ("part", "family", "kind") if not isinstance(entry.get(key, ""), str)]
    yield from (f"{key} must be a text" for key in patterns)
    use = _listed(entry.get("use"))
    if not use:
        yield "it needs `use`"
    elif table == "device" and not (len(use) == 1 and DEVICE.fullmatch(use[0])):
        yield f"{entry['use']!r} is no device; write cpu, cuda or cuda:1"
    elif table == "attention" and not _is_attention(use):
        yield f"{entry['use']!r} is neither a list of {', '.join(BACKENDS)} nor one function as `module:name`"


def _is_attention(use: tuple[str, ...]) -> bool:
    return all(name in BACKENDS for name in use) or (len(use) == 1 and FUNCTION.fullmatch(use[0]) is not None)


def _listed(use: Any) -> tuple[str, ...]:
    values = use if isinstance(use, list) else [use]
    return tuple(values) if all(isinstance(value, str) and value for value in values) else ()
