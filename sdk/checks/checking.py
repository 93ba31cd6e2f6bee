"""Checks a whole pack."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sdk.checks.file_rules import file_findings
from sdk.checks.findings import Finding
from sdk.checks.requirement_rules import host_ranges as own_ranges
from sdk.checks.requirement_rules import requirement_findings
from sdk.checks.rules import RULES
from sdk.checks.source_facts import SourceFile
from sdk.checks.source_rules import SOURCE_RULES
from sdk.checks.suppressions import apply_suppressions, read_suppressions
from sdk.errors import ManifestError
from sdk.inspection.facts import Inspection
from sdk.inspection.licences import declared_licence, read_licence
from sdk.inspection.nodes_file import nodes_file_problems
from sdk.inspection.packs import inspect_pack
from sdk.inspection.source import MAX_SOURCE, Unreadable, decode, parse
from sdk.manifest import PackManifest, read_manifest

_DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SKIPPED = frozenset(
    {".git", "__pycache__", ".venv", "venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules"}
)


def check_pack(
    folder: Path, *, host_ranges: Mapping[str, str] | None = None, inspection: Inspection | None = None
) -> tuple[Finding, ...]:
    """All findings of a pack, the gravest first. Nothing of the pack is run.

    Args:
        host_ranges: version ranges of the packages that the host brings; by default this installation's.
        inspection: what ``inspect_pack`` found, where it was asked already.

    Raises:
        OSError: the folder can't be read.
    """
    folder = folder.resolve()
    names = sorted(_names(folder))
    suppressions: dict[str, dict[int, dict[str, str]]] = {}
    manifest, problems = _manifest(folder)
    inspection = inspection or inspect_pack(folder)
    found = [
        *problems,
        *file_findings(folder, names),
        *requirement_findings(folder, manifest, own_ranges() if host_ranges is None else host_ranges),
        *_licence(folder, manifest),
        *_sources(folder, names, suppressions),
        *_unread(inspection),
        *(RULES["CN152"].found(problem, "nodes.json") for problem in nodes_file_problems(folder, inspection)),
    ]
    return tuple(sorted(set(apply_suppressions(found, suppressions)), key=lambda finding: finding.order))


def _names(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        for name in files:
            yield (Path(place) / name).relative_to(folder).as_posix()


def _manifest(folder: Path) -> tuple[PackManifest | None, list[Finding]]:
    try:
        return read_manifest(folder), []
    except ManifestError as error:
        return None, [RULES["CN141"].found("; ".join(error.problems), "pyproject.toml")]


def _licence(folder: Path, manifest: PackManifest | None) -> Iterator[Finding]:
    if manifest is None:
        return
    if not declared_licence(folder, manifest.license):
        yield RULES["CN140"].found("neither [project] license nor a licence file", "pyproject.toml")
    elif (named := manifest.license.get("file")) and read_licence(folder, named) is None:
        reason = f"[project] license names {named!r}, which is no file of the pack, or too large for a licence"
        yield RULES["CN140"].found(reason, "pyproject.toml")


def _sources(folder: Path, names: list[str], suppressions: dict[str, dict[int, dict[str, str]]]) -> Iterator[Finding]:
    for name in names:
        if not name.endswith((".py", ".pyw")):
            continue
        try:
            source = _read(folder / name)
            tree = parse(source)
            suppressions[name] = read_suppressions(source)
            yield from _by_rules(SourceFile(name, tree))
            yield from _direction_marks(name, source)
        except Unreadable as error:
            yield RULES["CN151"].found(error.reason, name, error.line)
        except RecursionError:
            yield RULES["CN151"].found("the code is nested too deep to be checked", name)


def _by_rules(file: SourceFile) -> Iterator[Finding]:
    """A rule for which the code is nested too deep keeps no other from being applied."""
    failed = False
    for rule in SOURCE_RULES:
        try:
            yield from list(rule(file))
        except RecursionError:
            failed = True
    if failed:
        yield RULES["CN151"].found("the code is nested too deep to be checked wholly", file.name)


def _direction_marks(name: str, source: str) -> Iterator[Finding]:
    for number, line in enumerate(source.split("\n"), 1):
        if match := _DIRECTION_MARKS.search(line):
            yield RULES["CN115"].found(f"the mark U+{ord(match.group()):04X} stands there", name, number)


def _read(path: Path) -> str:
    if path.stat().st_size > MAX_SOURCE:
        raise Unreadable(f"the file is larger than {MAX_SOURCE:,} bytes")
    return decode(path.read_bytes())


def _unread(inspection: Inspection) -> Iterator[Finding]:
    for item in inspection.unread:
        yield RULES["CN150"].found(item.reason, item.file, item.line)
