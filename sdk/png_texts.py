"""The texts inside a PNG file, read chunk by chunk without decoding the picture.

A text that is damaged is left out, and the others are read nevertheless, as decoders treat ancillary chunks: a flipped
bit in one text makes no other one wrong. What was damaged is told, for whoever misses a text.

Source: PNG specification, third edition, sections 5.3 (chunks), 11.3.3 (tEXt, zTXt, iTXt) and 13.2 (error handling).
Animated PNGs carry texts in private ``comf`` chunks, laid out like tEXt.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = frozenset((b"tEXt", b"zTXt", b"iTXt", b"comf"))
_AT_ONCE = 1 << 16


class TextTooLarge(Exception):
    """The texts take more memory than allowed, perhaps only once unpacked."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the texts inside the PNG are larger than {self.limit:,} bytes"


@dataclass(frozen=True)
class PngTexts:
    """What a PNG holds in texts.

    Attributes:
        texts: by keyword; of several with one keyword the first that is whole.
        damage: what could not be read first, such as "it ends before its end chunk"; "" where everything could be.
    """

    texts: Mapping[str, str]
    damage: str = ""


def read_texts(file: IO[bytes], limit: int) -> PngTexts:
    """The texts that are whole.

    Args:
        file: a seekable PNG file.
        limit: bytes of text to accept in all, unpacked and with keywords; damaged ones count as well.

    Raises:
        TextTooLarge: there is more text than that.
    """
    reading = _Reading(limit)
    size = file.seek(0, 2)
    file.seek(len(SIGNATURE))
    while True:
        head = file.read(8)
        if len(head) < 8:
            return reading.ended("it ends before its end chunk")
        length, kind = struct.unpack(">I4s", head)
        if file.tell() + length + 4 > size:
            return reading.ended(f"it ends inside its {kind.decode('latin-1')!r} chunk")
        if kind == b"IEND":
            return reading.ended()
        if kind not in _TEXT_CHUNKS:
            file.seek(length + 4, 1)
            continue
        reading.spend(length)
        reading.take(kind, file.read(length), int.from_bytes(file.read(4), "big"))


@dataclass
class _Reading:
    limit: int
    spent: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    damage: str = ""

    def spend(self, count: int) -> None:
        self.spent += count
        if self.spent > self.limit:
            raise TextTooLarge(self.limit)

    def take(self, kind: bytes, body: bytes, checksum: int) -> None:
        if zlib.crc32(kind + body) != checksum:
            self._damaged(f"the checksum of a {kind.decode()!r} chunk is wrong")
            return
        keyword, packed, text = _parts(kind, body)
        try:
            whole = self._unpacked(text) if packed else text
        except zlib.error as error:
            self.spend(_AT_ONCE)  # what the last piece cost is unknown
            self._damaged(f"a packed text can't be unpacked ({error})")
            return
        self.texts.setdefault(keyword, _decoded(whole))

    def ended(self, damage: str = "") -> PngTexts:
        if damage:
            self._damaged(damage)
        return PngTexts(self.texts, self.damage)

    def _damaged(self, what: str) -> None:
        self.damage = self.damage or what

    def _unpacked(self, packed: bytes) -> bytes:
        """Piece by piece, so that what turns out to be damaged at its very end has been counted as well."""
        unpacker, pieces = zlib.decompressobj(), list[bytes]()
        while not unpacker.eof:
            piece = unpacker.decompress(packed, _AT_ONCE)
            if not piece and not unpacker.eof:
                raise zlib.error("it ends too early")
            self.spend(len(piece))
            pieces.append(piece)
            packed = unpacker.unconsumed_tail
        return b"".join(pieces)


def _parts(kind: bytes, body: bytes) -> tuple[str, bool, bytes]:
    """Keyword, whether the text is packed, and the text."""
    keyword, _, rest = body.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].split(b"\0", 2)[-1]
    return keyword.decode("latin-1"), packed, rest


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")  # what programs write, whatever the chunk's type allows
    except UnicodeDecodeError:
        return text.decode("latin-1")
