"""The texts inside a PNG, read without any library for pictures."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST = 1 << 26


def is_png(content: bytes) -> bool:
    """Whether a file that begins so is a PNG."""
    return content.startswith(_PNG)


def png_texts(content: bytes) -> dict[str, str]:
    """The texts by keyword; the first of each. What is damaged reads as ""."""
    found: dict[str, str] = {}
    for kind, data in _chunks(content):
        keyword, _, rest = data.partition(b"\0")
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            found.setdefault(keyword.decode("latin-1"), _text(kind, rest))
    return found


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += 12 + length


def _text(kind: bytes, rest: bytes) -> str:
    if kind == b"tEXt":
        return rest.decode("latin-1") if not _is_utf8(rest) else rest.decode()
    packed = rest[1:] if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
    compressed = kind == b"zTXt" or rest[:1] == b"\1"
    try:
        data = zlib.decompressobj().decompress(packed, _MOST) if compressed else packed
    except zlib.error:
        return ""
    return data.decode(errors="replace")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
