"""The texts inside a PNG file, read chunk by chunk without decoding the picture.

Source: PNG specification, third edition, sections 5.3 (chunks) and 11.3.3 (tEXt, zTXt, iTXt). Animated PNGs carry
texts in private ``comf`` chunks, laid out like tEXt.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = frozenset((b"tEXt", b"zTXt", b"iTXt", b"comf"))


class DamagedPng(Exception):
    """A PNG ends too early, or one of its text chunks is broken; ``texts`` holds what could be read before that."""

    def __init__(self, reason: str, texts: dict[str, str]) -> None:
        super().__init__(reason)
        self.reason, self.texts = reason, texts

    def __str__(self) -> str:
        return f"the PNG is damaged: {self.reason}"


class TextTooLarge(Exception):
    """The texts take more memory than allowed, perhaps only once unpacked."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the texts inside the PNG are larger than {self.limit:,} bytes"


def read_texts(file: IO[bytes], limit: int) -> dict[str, str]:
    """Texts by keyword; of several with one keyword the first.

    Args:
        file: a seekable PNG file, at its start.
        limit: bytes of text to accept in all, unpacked and with keywords.

    Raises:
        DamagedPng: it ends before its end chunk, or a text chunk's checksum or packing is wrong.
        TextTooLarge: there is more text than that.
    """
    size = file.seek(0, 2)
    file.seek(len(SIGNATURE))
    texts: dict[str, str] = {}
    left = limit
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise DamagedPng("it ends before its end chunk", texts)
        length, kind = struct.unpack(">I4s", head)
        if file.tell() + length + 4 > size:
            raise DamagedPng(f"it ends inside its {kind.decode('latin-1')!r} chunk", texts)
        if kind == b"IEND":
            return texts
        if kind not in TEXT_CHUNKS:
            file.seek(length + 4, 1)
            continue
        if length > left:
            raise TextTooLarge(limit)
        body = file.read(length)
        if zlib.crc32(kind + body) != struct.unpack(">I", file.read(4))[0]:
            raise DamagedPng(f"the checksum of a {kind.decode()!r} chunk is wrong", texts)
        keyword, text = _text(kind, body, left, limit, texts)
        left -= max(len(body), len(text))  # keywords take memory as well
        texts.setdefault(keyword, _decoded(text))


def _text(kind: bytes, body: bytes, left: int, limit: int, so_far: dict[str, str]) -> tuple[str, bytes]:
    keyword, _, rest = body.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].split(b"\0", 2)[-1]
    if packed:
        unpacker = zlib.decompressobj()
        try:
            rest = unpacker.decompress(rest, left + 1)
        except zlib.error as error:
            raise DamagedPng(f"a packed text can't be unpacked ({error})", so_far) from error
        if len(rest) > left:
            raise TextTooLarge(limit)
    return keyword.decode("latin-1"), rest


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")  # what programs write, whatever the chunk's type allows
    except UnicodeDecodeError:
        return text.decode("latin-1")
