"""Packs as people write them, in few lines each: `shapes/*.txt` hold their files and the node ids they register."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

import pytest

from sdk.inspection import inspect_pack
from tests.sdk.inspection.comfyui_packs import A, ids, write

FOLDER = Path(__file__).parent / "shapes"
BODY = A[A.index("    CATEGORY") :]


@dataclass(frozen=True)
class Shape:
    """One pack: its files, and the ids that importing it would register and that can be read."""

    name: str
    ids: frozenset[str]
    files: dict[str, str]


def shapes(*names: str) -> Iterator[Shape]:
    """Those of some text files: ``## name``, ``ids: […]``, and ``-- file`` above each file's lines."""
    for name in names:
        for text in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n## ")[1:]:
            head, *parts = text.split("\n-- ")
            title, _, listed = head.partition("\nids: ")
            files = {file: with_bodies(code) for file, _, code in (part.partition("\n") for part in parts)}
            yield Shape(title, frozenset(json.loads(listed)), files)


def with_bodies(code: str) -> str:
    """The code with ``[[body]]`` replaced by what a node's class declares, as far to the right."""
    lines = []
    for line in code.split("\n"):
        depth = line.index("[[body]]") - 4 if "[[body]]" in line else 0
        lines.append(indent(BODY.rstrip("\n"), " " * depth) if "[[body]]" in line else line)
    return "\n".join(lines)


READABLE = list(shapes("folders", "imports", "registries", "code", "schemas"))
UNREADABLE = list(shapes("unread"))


@pytest.mark.parametrize("shape", READABLE, ids=[shape.name for shape in READABLE])
def test_all_ids_of_a_pack_are_read_with_their_schemas(shape: Shape, tmp_path: Path) -> None:
    found = inspect_pack(write(tmp_path / "a_pack", shape.files))
    assert ids(found) == shape.ids
    assert found.unread == ()
    assert [node.id for node in found.nodes if not node.schema and node.id not in ("K", "Host")] == []


@pytest.mark.parametrize("shape", UNREADABLE, ids=[shape.name for shape in UNREADABLE])
def test_what_a_pack_registers_besides_is_said_and_never_guessed(shape: Shape, tmp_path: Path) -> None:
    found = inspect_pack(write(tmp_path / "a_pack", shape.files))
    assert ids(found) == shape.ids
    assert found.unread
