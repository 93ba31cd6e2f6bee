from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sdk.archives import BadTarget, DamagedArchive, read_archive, unpack
from tests.sdk.archives.crafting import replace_bytes, write_zip


def test_unpacking_gives_the_files_with_modes_of_our_own(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"pack/": b"", "pack/a.py": b"x = 1\n"}, external_attr=0o104777 << 16)
    target = tmp_path / "deep" / "target"
    facts = unpack(path, target)
    assert (target / "pack" / "a.py").read_bytes() == b"x = 1\n"
    assert stat.S_IMODE((target / "pack" / "a.py").stat().st_mode) & 0o7111 == 0
    assert facts.sha256 == read_archive(path).sha256


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    unpack(write_zip(tmp_path / "a.zip", {"a": b"1"}), tmp_path / "target")
    assert (tmp_path / "target" / "a").read_bytes() == b"1"


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").write_text("kept")
    with pytest.raises(BadTarget, match="empty"):
        unpack(write_zip(tmp_path / "a.zip", {"a": b"1"}), tmp_path / "target")
    assert [item.name for item in (tmp_path / "target").iterdir()] == ["mine"]


def test_a_link_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "target").symlink_to(tmp_path / "real")
    with pytest.raises(BadTarget):
        unpack(write_zip(tmp_path / "a.zip", {"a": b"1"}), tmp_path / "target")


def test_nothing_stays_behind_where_the_last_file_is_damaged(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"first": b"fine", "last": b"broken"}, compress_type=0)
    replace_bytes(path, b"broken", b"brokem")
    with pytest.raises(DamagedArchive):
        unpack(path, tmp_path / "target")
    assert [item.name for item in tmp_path.iterdir()] == ["a.zip"]
