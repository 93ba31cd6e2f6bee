"""Tells what a model file is from a note beside it: ``<model file>.comfy.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from placement.errors import BadNote
from sdk import Header, Identity, hookimpl

SUFFIX = ".comfy.toml"
_TYPES: Mapping[str, type] = {"family": str, "kind": str, "because": str, "config": dict}


@hookimpl
def identify_model(header: Header) -> Identity | None:
    """What the note beside the file says; None where there is none.

    Raises:
        BadNote: the note can't be used. A note is an order: it is not passed over.
    """
    note = header.path.with_name(header.path.name + SUFFIX)
    return read_note(note) if note.is_file() else None


def read_note(path: Path) -> Identity:
    """The identity that a note describes.

    Raises:
        BadNote: it can't be read, is no TOML, or has faults; all of them are listed.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadNote(path, [str(error)]) from error
    if problems := list(_faults(data)):
        raise BadNote(path, problems)
    return Identity(
        family=data["family"],
        kind=data["kind"],
        config=data.get("config", {}),
        because=data.get("because", f"{path.name} says so"),
    )


def _faults(data: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"the key {key!r} is unknown" for key in sorted(data.keys() - _TYPES.keys()))
    yield from (f"it needs `{key}`" for key in ("family", "kind") if not data.get(key))
    for key, kind in _TYPES.items():
        if key in data and not isinstance(data[key], kind):
            yield f"`{key}` must be a {'table' if kind is dict else 'text'}"
    config = data.get("config", {})
    if isinstance(config, dict):
        yield from (f"config.{name} is no JSON value" for name, value in config.items() if not _is_json(value))


def _is_json(value: Any) -> bool:
    """TOML also knows dates and times, which an identity must not hold."""
    if isinstance(value, dict):
        return all(_is_json(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return isinstance(value, str | int | float | bool)
