"""Files and folders appear whole or not at all, whatever ends the writing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdk.part_files import remove_stale_parts
from sdk.whole_files import part_file, sync_folder, take_free_name, whole_file, whole_folder, write_whole_file

ENDS = [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), SystemExit(1), ValueError("bad pixel")]


def refuse(number: int) -> Callable[..., None]:
    """A call of the system that fails."""

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


def write_half(path: Path, end: BaseException) -> None:
    """Begin a file, and end as told."""
    path.write_text("half of the n")
    raise end


def test_a_file_is_written_by_its_path_and_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "made" / "file"
    for content in ("first", "second"):
        with whole_file(target) as part:
            part.write_text(content)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == content
    assert os.listdir(target.parent) == ["file"]


def test_pieces_are_written_one_after_another(tmp_path: Path) -> None:
    write_whole_file(tmp_path / "file", [b"ab", memoryview(b"cd"), b""])
    assert (tmp_path / "file").read_bytes() == b"abcd"


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_whatever_ends_the_writing_leaves_the_old_file_alone_and_nothing_beside_it(
    tmp_path: Path, end: BaseException
) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(type(end)), whole_file(target) as part:
        write_half(part, end)
    assert (target.read_text(), os.listdir(tmp_path)) == ("old", ["file"])


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_is_found_full_at_the_end_leaves_the_old_file_alone(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    monkeypatch.setattr(os, call, refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        write_whole_file(target, [b"new"])
    assert (target.read_text(), os.listdir(tmp_path)) == ("old", ["file"])


def test_an_error_names_the_file_that_was_to_be_and_not_the_hidden_one(tmp_path: Path) -> None:
    (tmp_path / "file" / "below").mkdir(parents=True)
    with pytest.raises(IsADirectoryError) as caught:
        write_whole_file(tmp_path / "file", [b"new"])
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "file"), None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as on Linux")
def test_the_error_of_a_full_disk_reaches_the_caller(tmp_path: Path) -> None:
    def write_to_a_full_disk(part: Path) -> None:
        part.symlink_to("/dev/full")
        part.write_bytes(b"x")

    with pytest.raises(OSError, match="No space left"), whole_file(tmp_path / "file") as part:
        write_to_a_full_disk(part)
    assert os.listdir(tmp_path) == []


def test_of_a_killed_writer_only_a_hidden_file_stays_until_it_is_removed(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from sdk.whole_files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as part: part.write_text('half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".")
    remove_stale_parts(tmp_path)
    assert os.listdir(tmp_path) == []


def test_only_durable_files_are_brought_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    write_whole_file(tmp_path / "a", [b"x"], durable=False)
    assert not synced
    write_whole_file(tmp_path / "a", [b"x"])
    assert len(synced) == 2  # the file and its name


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_is_left_to_its_owner(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    (tmp_path / "1").write_text("another's")
    with part_file(tmp_path) as part:
        part.write_text("mine")
        assert [take_free_name(part, tmp_path / name) for name in ("1", "2")] == [False, True]
    assert {name: (tmp_path / name).read_text() for name in os.listdir(tmp_path)} == {"1": "another's", "2": "mine"}


def test_a_name_is_given_back_where_the_file_could_not_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    monkeypatch.setattr(os, "replace", refuse(errno.EIO))
    with part_file(tmp_path) as part:
        part.write_text("mine")
        with pytest.raises(OSError, match="Input/output"):
            take_free_name(part, tmp_path / "1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_is_filled_apart_and_appears_at_once(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "above" / "folder"
    if there:
        target.mkdir(parents=True)
    with whole_folder(target) as part:
        (part / "a").write_text("x")
        assert not target.exists() or os.listdir(target) == []
    assert (os.listdir(target), os.listdir(target.parent)) == (["a"], ["folder"])


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_a_folder_that_is_not_filled_does_not_appear(tmp_path: Path, end: BaseException) -> None:
    with pytest.raises(type(end)), whole_folder(tmp_path / "folder") as part:
        write_half(part / "a", end)
    assert os.listdir(tmp_path) == []


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("old")
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "folder") as part:
        (part / "b").write_text("new")
    assert (os.listdir(tmp_path), os.listdir(tmp_path / "folder")) == (["folder"], ["a"])


def test_a_file_system_that_can_not_sync_folders_is_no_error_and_a_failing_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)
