from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from itertools import count, repeat
from pathlib import Path

import pytest
from torch import Tensor

from host.models.files import mapped_bytes
from host.models.files.mapped_bytes import MappedBytes

PAGE = mmap.PAGESIZE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reads mapped files in pieces; run there")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MappedBytes:
    (tmp_path / "file").write_bytes(bytes(range(256)) * (20 * PAGE // 256))
    monkeypatch.setattr(mapped_bytes, "_PIECE", 2 * PAGE)
    return MappedBytes(tmp_path / "file", 20 * PAGE)


def pages_read(file: MappedBytes, blocks: Iterator[int], monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], set[int]]:
    """How many pages are mapped at a time, and which of the file were asked for before they were waited for."""
    mapped, asked = [], set()
    begin = file.view(0, 1).data_ptr()

    def advise(pages: Tensor, advice: int) -> int:
        first = (pages.data_ptr() - begin) // PAGE
        stretch = range(first, first - -pages.nbytes // PAGE)
        if advice == mmap.MADV_WILLNEED:
            asked.update(stretch)
        else:
            assert asked.issuperset(stretch)
            assert first == sum(mapped)
            mapped.append(len(stretch))
        return 0

    monkeypatch.setattr(mapped_bytes, "_advise", advise)
    monkeypatch.setattr(mapped_bytes, "_blocks_read", lambda: next(blocks))
    file.prefetch([(0, 20 * PAGE)])
    return mapped, asked


def test_a_file_is_read_in_small_pieces_of_which_the_next_is_asked_for(
    file: MappedBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pages_read(file, count(), monkeypatch) == ([2] * 10, set(range(20)))


def test_pieces_grow_where_the_system_has_them_already(file: MappedBytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pages_read(file, repeat(0), monkeypatch) == ([2, 8, 10], set(range(20)))


def test_what_is_read_ahead_is_what_the_file_has(file: MappedBytes) -> None:
    file.prefetch([(100, 300), (5 * PAGE, 19 * PAGE + 3)])
    assert bytes(file.view(5 * PAGE, 5 * PAGE + 256).tolist()) == bytes(range(256))
