"""Keeps the system's allocator from giving every large tensor's memory back at once, only to ask for it again."""

from __future__ import annotations

import ctypes
import sys

_KEPT = 1 << 28
"""Blocks below this many bytes are kept when they are freed, up to as many bytes at the end of the heap."""

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Let this process use large freed blocks again; whether it could be asked for.

    By default glibc maps blocks of some MiB anew each time. The system then clears every page again, which takes up to
    a fifth of the time of a network whose layers make such blocks. Other allocators than glibc's are left alone.
    """
    libc = _libc()
    if libc is None:
        return False
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, _KEPT) and libc.mallopt(_M_TRIM_THRESHOLD, _KEPT))


def give_freed_memory_back() -> None:
    """Give the system back what is kept now."""
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)


def _libc() -> ctypes.CDLL | None:
    """The C library, if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
