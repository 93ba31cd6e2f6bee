"""Licences' texts and names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdk.authoring.scaffold import licence_text
from sdk.inspection.licences import declared_licence, licence_name, read_licence, spdx_id

MIT = licence_text("Ada", 2026).decode()


def test_a_text_is_known_whoever_holds_the_copyright_and_however_it_is_wrapped() -> None:
    assert spdx_id(MIT) == spdx_id(MIT.replace("Ada", "Grace Hopper and others")) == "MIT"
    assert spdx_id("\n\n".join(MIT.split())) == spdx_id(MIT.replace("\n", "\r\n")) == "MIT"


@pytest.mark.parametrize("text", ["", "All rights reserved.", MIT[:200], MIT + MIT, "\n" * 200_000, "\udcff"])
def test_other_texts_are_none(text: str) -> None:
    assert spdx_id(text) == ""


def test_a_file_that_is_named_tells_its_licence(tmp_path: Path) -> None:
    (tmp_path / "COPYING").write_text(MIT)
    assert declared_licence(tmp_path, {"file": "COPYING"}) == {"file": "COPYING", "text": "MIT"}
    (tmp_path / "COPYING").write_text("Ask me.")
    assert declared_licence(tmp_path, {"file": "COPYING"}) == {"file": "COPYING"}


def test_a_file_in_the_root_speaks_where_nothing_is_declared(tmp_path: Path) -> None:
    assert declared_licence(tmp_path, {}) == {}
    (tmp_path / "licence.txt").write_text(MIT)
    assert declared_licence(tmp_path, {}) == {"file": "licence.txt", "text": "MIT"}


def test_a_name_stays_and_a_whole_text_becomes_its_name(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text(MIT)
    assert declared_licence(tmp_path, {"text": "GPL-3.0-or-later"}) == {"text": "GPL-3.0-or-later"}
    assert declared_licence(tmp_path, {"text": MIT}) == {"text": "MIT"}
    assert declared_licence(tmp_path, {"text": "Ask\nme."}) == {"text": "Ask\nme."}


def test_files_outside_of_the_pack_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text(MIT)
    inner = tmp_path / "pack"
    inner.mkdir()
    (inner / "link").symlink_to(tmp_path / "LICENSE")
    os.mkfifo(inner / "pipe")
    for name in ("../LICENSE", str(tmp_path / "LICENSE"), "link", "pipe", ".", "missing", "a\0b", "x" * 5000):
        assert read_licence(inner, name) is None
    (inner / "huge").write_bytes(b"x" * 100_001)
    assert read_licence(inner, "huge") is None


@pytest.mark.parametrize(
    ("declared", "shown"),
    [
        ({}, ""),
        ({"text": "MIT"}, "MIT"),
        ({"file": "LICENSE"}, "see LICENSE"),
        ({"file": "LICENSE", "text": "MIT"}, "MIT"),
        ({"text": "\nMy licence\nDo what you want."}, "My licence"),
        ({"text": "x" * 200}, "x" * 99 + "…"),
    ],
)
def test_a_licence_is_shown_in_a_line(declared: dict[str, str], shown: str) -> None:
    assert licence_name(declared) == shown
