"""Reads safetensors headers as the format's own library writes them, without spaces and with the fields in its order.

All that is always the same there is compared, not parsed, for all tensors together. Headers written otherwise are left
to ``host.models.files.plain_header``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import sub

import orjson

from host.models.collector import without_collections
from host.models.files.plain_header import DIMENSIONS_LIMIT, METADATA, PlainHeader, in_file_order, only_marks_empty
from sdk.models import TensorInfo

# A tensor takes ten pieces between quotation marks: "name":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},
_PIECES = 10
_SAME = {2: b":{", 3: b"dtype", 4: b":", 6: b",", 7: b"shape", 9: b"data_offsets"}
_NAME, _DTYPE, _SHAPE, _OFFSETS = 1, 5, 8, 10
_BETWEEN, _LAST = b":[,]},", b":[,]}}"

_SHAPE_TEXT = re.compile(rb":\[((?:0|[1-9][0-9]{0,18})(?:,(?:0|[1-9][0-9]{0,18}))*|)\],")
_DIGITS = b"0123456789"
_KINDS_REMEMBERED = 4096


def read_compact_header(raw: bytes, available: int, dtype_bits: Mapping[str, int]) -> PlainHeader | None:
    """The header written in ``raw``, without metadata, of a file with ``available`` bytes of tensors.

    None unless all of it is right, and written in this way.
    """
    with without_collections():
        try:
            return _read(raw, available, dtype_bits)
        except (ValueError, KeyError):
            return None


def _read(raw: bytes, available: int, dtype_bits: Mapping[str, int]) -> PlainHeader | None:
    if b"\\" in raw:
        return None  # a quotation mark may be part of a name
    pieces = raw.rstrip(b" ").split(b'"')
    count, rest = divmod(len(pieces), _PIECES)
    if rest != 1 or not count or pieces[0] != b"{":
        return None
    if any(pieces[place::_PIECES].count(text) != count for place, text in _SAME.items()):
        return None
    bits = {dtype.encode(): width for dtype, width in dtype_bits.items()}
    written = list(zip(pieces[_DTYPE::_PIECES], pieces[_SHAPE::_PIECES], strict=True))
    kinds = {kind: _kind(*kind, bits[kind[0]]) for kind in set(written)}
    found = [kinds[kind] for kind in written]
    numbers = _offsets(pieces[_OFFSETS::_PIECES])
    begins, ends = numbers[::2], numbers[1::2]
    tensors = dict(zip(_names(pieces[_NAME::_PIECES]), [info for info, _ in found], strict=True))
    if len(tensors) < count or METADATA in tensors or list(map(sub, ends, begins)) != [size for _, size in found]:
        return None
    return in_file_order(PlainHeader(tensors, {}, begins, ends), available)


@lru_cache(_KINDS_REMEMBERED)
def _kind(dtype: bytes, shape: bytes, bits: int) -> tuple[TensorInfo, int]:
    """What a tensor is, and how many bytes it takes; ValueError for what the careful reader is to look at."""
    match = _SHAPE_TEXT.fullmatch(shape)
    if match is None:
        raise ValueError(shape)
    lengths = tuple(map(int, match[1].split(b","))) if match[1] else ()
    size, rest = divmod(math.prod(lengths) * bits, 8)
    if rest or len(lengths) > DIMENSIONS_LIMIT or not only_marks_empty(lengths):
        raise ValueError(shape)
    return TensorInfo(dtype.decode(), lengths), size


def _names(written: Sequence[bytes]) -> list[str]:
    found: list[str] = orjson.loads(b'["' + b'","'.join(written) + b'"]')
    return found


def _offsets(written: Sequence[bytes]) -> list[int]:
    """Where tensors begin and end, in turns."""
    text = b"".join(written)
    if text.translate(None, _DIGITS) != _BETWEEN * (len(written) - 1) + _LAST:
        raise ValueError("there is something between the offsets")
    found: list[int] = orjson.loads(text[1:-2].replace(b"]},:[", b","))
    return found
