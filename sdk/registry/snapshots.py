"""Reads the one file that holds a whole index: the configuration, then a pack's document a line, all of it packed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from sdk.registry.documents import decode_config
from sdk.registry.errors import BadIndexDocument
from sdk.registry.records import IndexConfig

LONGEST_LINE = 1 << 28
_AT_ONCE = 1 << 20


def read_snapshot(file: IO[bytes], where: str) -> tuple[IndexConfig, Iterator[bytes]]:
    """The configuration as of the snapshot, and the documents, which are read as they are asked for.

    What was cut off on its way unpacks without an error, and a pack that is missing in an index could be taken from
    another one. So the documents end with an error where they are not as many as the configuration says.

    Raises:
        BadIndexDocument: it is no snapshot, or none that is whole; also while the documents are read.
    """
    lines = _lines(file, where)
    config = decode_config(next(lines, b"{}"), where)
    return config, _counted(lines, config.packs, where)


def _lines(file: IO[bytes], where: str) -> Iterator[bytes]:
    import zstandard

    rest = b""
    try:
        with zstandard.ZstdDecompressor().stream_reader(file) as stream:
            while chunk := stream.read(_AT_ONCE):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
                if len(rest) > LONGEST_LINE:
                    raise BadIndexDocument(where, f"a document is larger than {LONGEST_LINE:,} bytes")
    except zstandard.ZstdError as error:
        raise BadIndexDocument(where, f"it is no snapshot that can be unpacked ({error})") from error
    if rest:
        yield rest


def _counted(lines: Iterator[bytes], promised: int, where: str) -> Iterator[bytes]:
    count = 0
    for line in lines:
        count += 1
        yield line
    if promised and count != promised:
        raise BadIndexDocument(where, f"it holds {count} packs, and says that there are {promised}")
