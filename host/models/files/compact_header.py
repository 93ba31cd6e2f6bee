"""Reads safetensors headers as the format's own library writes them, without spaces and with the fields in its order.

All that is always the same there is compared, not parsed, for all tensors together. Headers written otherwise, and
wrong ones, are left to the checks of ``host.models.files.header``, tensor by tensor; they can say what is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import sub

import orjson

from host.models.collector import without_collections
from sdk.models import TensorInfo

DIMENSIONS_LIMIT = 64
METADATA = "__metadata__"

# A tensor takes ten pieces between quotation marks: "name":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},
_PIECES = 10
_SAME = {2: b":{", 3: b"dtype", 4: b":", 6: b",", 7: b"shape", 9: b"data_offsets"}
_NAME, _DTYPE, _SHAPE, _OFFSETS = 1, 5, 8, 10

# Offsets are joined by quotation marks, which none of them has, so that each must be right by itself.
_BETWEEN, _LAST = b':[,]},"', b":[,]}}"
_SHAPE_TEXT = re.compile(rb":\[((?:0|[1-9][0-9]{0,18})(?:,(?:0|[1-9][0-9]{0,18}))*|)\],")
_DIGITS = b"0123456789"
_KINDS_REMEMBERED = 4096


@dataclass(frozen=True)
class HeaderContent:
    """What a header says that is right in every respect.

    Attributes:
        tensors: in the order of their bytes.
        begins, ends: where each tensor's bytes lie, counted from the end of the header.
    """

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    begins: Sequence[int]
    ends: Sequence[int]


def read_compact_header(raw: bytes, available: int, dtype_bits: Mapping[str, int]) -> HeaderContent | None:
    """The header written in ``raw``, without metadata, of a file with ``available`` bytes of tensors.

    None unless all of it is right, and written in this way.
    """
    with without_collections():
        try:
            return _read(raw, available, dtype_bits)
        except (ValueError, KeyError):
            return None


def _read(raw: bytes, available: int, dtype_bits: Mapping[str, int]) -> HeaderContent | None:
    if b"\\" in raw:
        return None  # a quotation mark may be part of a name
    pieces = raw.rstrip(b" ").split(b'"')
    count, rest = divmod(len(pieces), _PIECES)
    if rest != 1 or not count or pieces[0] != b"{":
        return None
    if any(pieces[place::_PIECES].count(text) != count for place, text in _SAME.items()):
        return None
    written = zip(pieces[_DTYPE::_PIECES], pieces[_SHAPE::_PIECES], strict=True)
    found = list(map(_Kinds(dtype_bits).__getitem__, written))
    numbers = _offsets(pieces[_OFFSETS::_PIECES])
    begins, ends = numbers[::2], numbers[1::2]
    tensors = dict(zip(_names(pieces[_NAME::_PIECES]), [info for info, _ in found], strict=True))
    if len(tensors) < count or METADATA in tensors or list(map(sub, ends, begins)) != [size for _, size in found]:
        return None
    return _in_file_order(HeaderContent(tensors, {}, begins, ends), available)


class _Kinds(dict[tuple[bytes, bytes], tuple[TensorInfo, int]]):
    """What tensors are, by the texts of dtype and shape, of which a file has few; computed when looked up."""

    def __init__(self, dtype_bits: Mapping[str, int]) -> None:
        super().__init__()
        self._bits = {dtype.encode(): width for dtype, width in dtype_bits.items()}

    def __missing__(self, kind: tuple[bytes, bytes]) -> tuple[TensorInfo, int]:
        self[kind] = found = _kind(*kind, self._bits[kind[0]])
        return found


@lru_cache(_KINDS_REMEMBERED)
def _kind(dtype: bytes, shape: bytes, bits: int) -> tuple[TensorInfo, int]:
    """What a tensor is, and how many bytes it takes; ValueError for what the careful reader is to look at."""
    match = _SHAPE_TEXT.fullmatch(shape)
    if match is None:
        raise ValueError(shape)
    lengths = tuple(map(int, match[1].split(b","))) if match[1] else ()
    size, rest = divmod(math.prod(lengths) * bits, 8)
    # A vector without numbers is common: files of eight bits say by it what they are.
    if rest or len(lengths) > DIMENSIONS_LIMIT or (0 in lengths and len(lengths) > 1):
        raise ValueError(shape)
    return TensorInfo(dtype.decode(), lengths), size


def _names(written: Sequence[bytes]) -> list[str]:
    found: list[str] = orjson.loads(b'["' + b'","'.join(written) + b'"]')
    return found


def _offsets(written: Sequence[bytes]) -> list[int]:
    """Where tensors begin and end, in turns."""
    text = b'"'.join(written)
    if text.translate(None, _DIGITS) != _BETWEEN * (len(written) - 1) + _LAST:
        raise ValueError("there is something between the offsets")
    found: list[int] = orjson.loads(text[1:-2].replace(b']},":[', b","))
    return found


def _in_file_order(header: HeaderContent, available: int) -> HeaderContent | None:
    """The header with its tensors in the order of their bytes; None unless they fill the file without gaps."""
    begins, ends = header.begins, header.ends
    if begins[1:] != ends[:-1]:
        order = sorted(range(len(begins)), key=lambda place: (begins[place], ends[place]))
        names = list(header.tensors)
        tensors = {names[place]: header.tensors[names[place]] for place in order}
        begins, ends = [begins[place] for place in order], [ends[place] for place in order]
        header = HeaderContent(tensors, header.metadata, begins, ends)
    return None if begins[0] or ends[-1] != available or begins[1:] != ends[:-1] else header
