"""Remembers headers, since models made from one another differ in their weights and metadata alone."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping

import orjson

from host.models.files.compact_header import HeaderContent, read_compact_header

TENSORS_LIMIT = 100_000
"""So many tensors are remembered, of some 400 bytes each."""

_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_METADATA = re.compile(rb'\{"__metadata__":\{((?:' + _TEXT + rb":" + _TEXT + rb",)*" + _TEXT + rb":" + _TEXT + rb")\},")


class KnownLayouts:
    """The last different headers, by what they say of tensors. Any thread may use it.

    Attributes:
        tensors: how many are remembered.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, int], HeaderContent] = OrderedDict()
        self.tensors = 0
        self._lock = threading.Lock()

    def read(self, raw: bytes, available: int, dtype_bits: Mapping[str, int]) -> HeaderContent | None:
        """What ``raw`` says of a file with ``available`` bytes of tensors, if it is right, and written as usual.

        The tensors are the same object for headers that agree about them.
        """
        metadata, tensors = _split(raw)
        if metadata is None:
            return None
        key = tensors, available
        found = self._get(key)
        if found is None:
            found = read_compact_header(tensors, available, dtype_bits)
            if found is None:
                return None
            self._put(key, found)
        return HeaderContent(found.tensors, metadata, found.begins, found.ends)

    def _get(self, key: tuple[bytes, int]) -> HeaderContent | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def _put(self, key: tuple[bytes, int], found: HeaderContent) -> None:
        """The one used longest ago goes first, for as long as there are too many."""
        with self._lock:
            if self._known.setdefault(key, found) is found:
                self.tensors += len(found.tensors)
            while self.tensors > TENSORS_LIMIT and len(self._known) > 1:
                _, oldest = self._known.popitem(last=False)
                self.tensors -= len(oldest.tensors)


def _split(raw: bytes) -> tuple[Mapping[str, str] | None, bytes]:
    """The metadata, if it is in front, and a header of the other entries; None for metadata that isn't right."""
    match = _METADATA.match(raw)
    if match is None:
        return {}, raw
    text = match[1]
    try:
        metadata: dict[str, str] = orjson.loads(b"{" + text + b"}")
    except ValueError:
        return None, raw
    pairs = len(re.findall(_TEXT, text)) // 2
    return (metadata if len(metadata) == pairs else None), b"{" + raw[match.end() :]
