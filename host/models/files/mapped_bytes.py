"""A file's bytes as memory: nothing is read before it is used, nothing is copied."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import torch  # noqa: TID253 - this module is loaded when models are opened
from torch import Tensor  # noqa: TID253

from host.models.errors import MalformedFile, ModelFileError
from host.models.files.header import unreadable

# Linux 5.14: maps all pages at once, reading them in large pieces; page faults read a cold file several times slower.
_MADV_POPULATE_READ = 22

_PIECE = 1 << 23
"""Bytes that are read at a time, while the disk is asked for as many more.

Asked for more at once, Linux keeps a file in pages of 2 MiB. A virtual machine may have lent that memory to its host,
and then the first look at each 4 KiB of it takes 4 microseconds.
"""

_FASTER = 4
"""By how much the next piece is larger where nothing had to be read: each one waits for its turn among threads."""


class MappedBytes:
    """A file that is mapped when its bytes are first asked for.

    The mapping is private: should anyone write to it, the file stays as it is. A file must not be truncated while it
    is in use; replacing it by renaming is fine.
    """

    def __init__(self, path: Path, length: int) -> None:
        """``length`` is what the file has at least."""
        self._path, self._length = path, length
        self._map: mmap.mmap | None = None

    def view(self, start: int, end: int) -> Tensor:
        """At least one byte as a tensor; raises ModelFileError where the file is gone or has been cut off."""
        return torch.frombuffer(self._mapped(), dtype=torch.uint8, count=end - start, offset=start)

    def prefetch(self, spans: Iterable[tuple[int, int]]) -> None:
        """Read bytes now, each stretch in one go; other threads go on meanwhile.

        Spans run from a start to an end. What lies side by side is read together: after each stretch a thread has to
        wait for its turn.
        """
        if sys.platform == "linux":
            for start, end in _stretches(spans):
                self._read(start, end)

    def _read(self, start: int, end: int) -> None:
        size, asked = _PIECE, start
        while start < end:
            stop, ahead, read = min(start + size, end), min(start + 2 * size, end), _blocks_read()
            if asked < ahead:
                _advise(self.view(asked, ahead), mmap.MADV_WILLNEED)
                asked = ahead
            failed = _advise(self.view(start, stop), _MADV_POPULATE_READ)
            if failed and failed != errno.EINVAL:  # an older kernel has been asked, and will have read it soon
                raise ModelFileError(self._path, f"can't be read from byte {start} on ({os.strerror(failed)})")
            start, size = stop, _PIECE if _blocks_read() != read else _FASTER * size

    def release(self, start: int, end: int) -> None:
        """Let go of the memory through which bytes were read; they are read again when they are used."""
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        length = end // mmap.PAGESIZE * mmap.PAGESIZE - first
        if length > 0 and self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, first, length)

    def _mapped(self) -> mmap.mmap:
        # Never closed by hand: tensors point into it and don't keep it from being closed, only from being collected.
        if self._map is None:
            try:
                with self._path.open("rb") as file:
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            except (OSError, ValueError) as error:  # ValueError: nothing is left of it
                raise unreadable(self._path, error) from error
            if len(mapped) < self._length:
                raise MalformedFile(self._path, "has been truncated since its header was read")
            self._map = mapped
        return self._map


def _stretches(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pages of spans, joined where they touch."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        if end <= start:
            continue
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((first, end))
    return found


def _blocks_read() -> int:
    """How much this thread has had the disk read so far."""
    import resource  # which not every system has

    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock


def _advise(pages: Tensor, advice: int) -> int:
    """What the system answers; Python's own ``madvise`` would have all threads wait."""
    done = _system_library().madvise(ctypes.c_void_p(pages.data_ptr()), ctypes.c_size_t(pages.nbytes), advice)
    return ctypes.get_errno() if done else 0


@cache
def _system_library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
