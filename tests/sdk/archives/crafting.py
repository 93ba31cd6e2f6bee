"""Writes zips byte by byte, also ones that no honest program writes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path


def write_zip(path: Path, entries: dict[str, bytes], **changes: int) -> Path:
    """An ordinary zip; ``changes`` are attributes of each entry's ``ZipInfo``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in changes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return path


def write_links(path: Path, name: str, mode: int, content: bytes = b"/etc/passwd") -> Path:
    """An entry of a special kind."""
    return write_zip(path, {name: content}, external_attr=mode << 16, create_system=3)


def replace_bytes(path: Path, old: bytes, new: bytes, *, first_only: bool = False) -> Path:
    """Change bytes in place, so that the file's parts contradict each other."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1) if first_only else data.replace(old, new))
    return path


def edit(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


def overlapping(path: Path, copies: int, size: int) -> Path:
    """Many directory entries that share one compressed stream, as in David Fifield's bomb."""
    packed = zlib.compress(b"\0" * size, 9)[2:-4]
    crc = zlib.crc32(b"\0" * size)
    out = io.BytesIO()
    out.write(struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, len(packed), size, 1, 0) + b"a" + packed)
    start = out.tell()
    for _ in range(copies):
        fixed = (b"PK\x01\x02", 20, 20, 0, 8, 0, 33, crc, len(packed), size, 1, 0, 0, 0, 0, 0, 0)
        out.write(struct.pack("<4s6H3L5H2L", *fixed) + b"a")
    length = out.tell() - start
    out.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, copies, copies, length, start, 0))
    path.write_bytes(out.getvalue())
    return path
