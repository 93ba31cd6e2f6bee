"""Shared memory without names: a file that no folder lists, mapped by whoever got its descriptor.

Nothing is left over after a crash: the memory is free once the last process that maps it is gone.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

ALIGNMENT = 64


class Segment(mmap.mmap):
    """Mapped shared memory. Tensors made from it keep it alive."""

    descriptor: int

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            os.close(self.descriptor)


def create(size: int) -> Segment:
    """New memory of that many bytes, more than zero."""
    descriptor = _unlisted_file()
    try:
        os.ftruncate(descriptor, size)
        segment = Segment(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    segment.descriptor = descriptor
    return segment


def mapped(descriptor: int, *, own_changes: bool) -> Segment:
    """The memory behind a descriptor, which belongs to the segment from now on.

    Args:
        own_changes: writing to it changes a copy that only this process sees, made page by page.
    """
    size = os.fstat(descriptor).st_size
    segment = Segment(descriptor, size, access=mmap.ACCESS_COPY if own_changes else mmap.ACCESS_WRITE)
    segment.descriptor = descriptor
    return segment


def _unlisted_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("comfy-nodes")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class KnownSegments:
    """Segments of this process by their address, so that a tensor that lies in one is handed on without a copy."""

    def __init__(self) -> None:
        self._by_address: WeakValueDictionary[int, Segment] = WeakValueDictionary()

    def add(self, segment: Segment) -> Any:
        """Remember a segment; its bytes as a tensor."""
        import torch

        data = torch.frombuffer(segment, dtype=torch.uint8)
        self._by_address[data.data_ptr()] = segment
        return data

    def holding(self, tensor: Any) -> Segment | None:
        """The segment that a tensor lies in."""
        return self._by_address.get(tensor.untyped_storage().data_ptr())
