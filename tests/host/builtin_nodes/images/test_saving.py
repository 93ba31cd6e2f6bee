from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from host.builtin_nodes.images.errors import NotSaved
from host.builtin_nodes.images.saving import SavedFile, save_numbered
from sdk import SavePlace


def place(folder: Path, counter: int = 1) -> SavePlace:
    return SavePlace(folder, "x", counter, "sub", "output")


def hello(file: IO[bytes]) -> None:
    file.write(b"hello")


def test_a_file_gets_the_number_of_its_place(tmp_path: Path) -> None:
    saved = save_numbered(place(tmp_path, 7), hello)
    assert saved == SavedFile("x_00007_.png", "sub", "output", 7)
    assert saved.shown() == {"filename": "x_00007_.png", "subfolder": "sub", "type": "output"}
    assert (tmp_path / "x_00007_.png").read_bytes() == b"hello"


def test_number_stem_and_suffix_may_differ_from_the_place(tmp_path: Path) -> None:
    assert save_numbered(place(tmp_path), hello, suffix=".webp", number=100_000, stem="y").filename == "y_100000_.webp"


def test_a_taken_name_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x_00001_.png").write_bytes(b"mine")
    assert save_numbered(place(tmp_path), hello).number == 2
    assert (tmp_path / "x_00001_.png").read_bytes() == b"mine"


def test_many_writers_of_one_stem_lose_no_file(tmp_path: Path) -> None:
    def write(index: int) -> int:
        return save_numbered(place(tmp_path), lambda file: file.write(b"%d" % index)).number

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(write, range(40)))
    assert sorted(numbers) == list(range(1, 41))
    assert {(tmp_path / f"x_{n:05}_.png").read_bytes() for n in numbers} == {b"%d" % i for i in range(40)}


def test_a_full_disk_leaves_nothing_behind_and_is_named(tmp_path: Path) -> None:
    def fill(file: IO[bytes]) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(NotSaved, match=r"x_00001_\.png was not saved: No space left on device"):
        save_numbered(place(tmp_path), fill)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_writer_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(file: IO[bytes]) -> None:
        raise ValueError("no picture")

    with pytest.raises(ValueError, match="no picture"):
        save_numbered(place(tmp_path), fail)
    assert list(tmp_path.iterdir()) == []


def test_a_name_too_long_for_the_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotSaved, match="too long"):
        save_numbered(place(tmp_path), hello, stem="x" * 300)
    assert list(tmp_path.iterdir()) == []


def test_a_vanished_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NotSaved, match="No such file"):
        save_numbered(place(tmp_path / "gone"), hello)


def test_others_may_read_the_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    saved = tmp_path / save_numbered(place(tmp_path), hello).filename
    assert saved.stat().st_mode == plain.stat().st_mode
