"""The chunks of a PNG file, as the reference data list them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any


def png_chunks(path: Path) -> list[dict[str, Any]]:
    """One entry per chunk: type, and what is in a header, animation or text chunk. Runs of data chunks count once."""
    content, at, chunks = path.read_bytes(), 8, []
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + length]
        at += length + 12
        entry: dict[str, Any] = {"type": kind.decode()}
        if kind == b"IHDR":
            entry["ihdr"] = list(struct.unpack(">IIBBBBB", body))
        elif kind == b"acTL":
            entry["frames_plays"] = list(struct.unpack(">II", body))
        elif kind == b"fcTL":
            entry["delay"] = list(struct.unpack_from(">HH", body, 20))
        elif kind in (b"tEXt", b"comf"):
            entry["raw_latin1"] = body.decode("latin-1")
        if kind not in (b"IDAT", b"fdAT") or chunks[-1] != entry:
            chunks.append(entry)
    return chunks
