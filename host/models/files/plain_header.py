"""Reads the headers of ordinary safetensors files many at a time: all tensors are checked together.

What is unusual is left to the checks of ``host.models.files.header``, tensor by tensor; they can say what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson

from host.models.collector import without_collections
from sdk.models import TensorInfo

_FIELDS = itemgetter("dtype", "shape", "data_offsets")
_STRINGS_OF_TENSOR = 5
"""A name, three names of fields, and a dtype."""
DIMENSIONS_LIMIT = 64
METADATA = "__metadata__"


@dataclass(frozen=True)
class PlainHeader:
    """The content of a header that is right in every respect.

    Attributes:
        tensors: in the order of their bytes.
        begins, ends: where each tensor's bytes lie, counted from the end of the header.
    """

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    begins: Sequence[int]
    ends: Sequence[int]


def read_plain_header(raw: bytes, available: int, dtype_bits: Mapping[str, int]) -> PlainHeader | None:
    """The header written in ``raw``, of a file with ``available`` bytes of tensors; None unless all of it is right.

    Repeated names, which the parser drops, show in the number of quotation marks.
    """
    with without_collections():
        return _read(raw, available, dtype_bits)


def _read(raw: bytes, available: int, dtype_bits: Mapping[str, int]) -> PlainHeader | None:
    try:
        entries = orjson.loads(raw)
        metadata = entries.pop(METADATA, None)
        if not _nothing_dropped(raw, entries, metadata):
            return None
        dtypes, shapes, offsets = zip(*map(_FIELDS, entries.values()), strict=True)
        begins, ends = _spans(offsets)
        if not _shapes_right(shapes) or not _sizes_right(dtypes, shapes, begins, ends, dtype_bits):
            return None
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    tensors = dict(zip(entries, _infos(dtypes, shapes), strict=True))
    return in_file_order(PlainHeader(tensors, metadata or {}, begins, ends), available)


def in_file_order(header: PlainHeader, available: int) -> PlainHeader | None:
    """The header with its tensors in the order of their bytes; None unless they fill the file without gaps."""
    begins, ends = header.begins, header.ends
    if begins[1:] != ends[:-1]:
        order = sorted(range(len(begins)), key=lambda place: (begins[place], ends[place]))
        names = list(header.tensors)
        tensors = {names[place]: header.tensors[names[place]] for place in order}
        begins, ends = [begins[place] for place in order], [ends[place] for place in order]
        header = PlainHeader(tensors, header.metadata, begins, ends)
    return None if begins[0] or ends[-1] != available or begins[1:] != ends[:-1] else header


def _nothing_dropped(raw: bytes, entries: Mapping[str, Any], metadata: Any) -> bool:
    """Whether the text has exactly the strings that were found in it."""
    if b"\\u" in raw:
        return False  # a quotation mark may be written in this way
    strings, texts = _STRINGS_OF_TENSOR * len(entries), list(entries)
    if metadata is not None:
        texts += chain(metadata.keys(), metadata.values())
        strings += 1 + 2 * len(metadata)
    inside = sum(text.count('"') for text in texts) if b"\\" in raw else 0
    return raw.count(b'"') == 2 * strings + inside


def _spans(offsets: Sequence[Any]) -> tuple[list[int], list[int]]:
    begins, ends = map(list, zip(*offsets, strict=True))
    if set(map(type, chain(begins, ends))) != {int} or set(map(type, offsets)) != {list}:
        raise TypeError
    return begins, ends


def _shapes_right(shapes: Sequence[Any]) -> bool:
    lengths = list(chain.from_iterable(shapes))
    return (
        set(map(type, shapes)) == {list}
        and {int}.issuperset(map(type, lengths))
        and (min(lengths, default=1) > 0 or all(map(only_marks_empty, shapes)))
        and max(map(len, shapes)) <= DIMENSIONS_LIMIT
    )


def only_marks_empty(shape: Sequence[int]) -> bool:
    """Whether no length is zero but that of a vector, by which files of eight bits say what they are."""
    return min(shape, default=1) > 0 or len(shape) == 1


def _sizes_right(
    dtypes: Sequence[Any], shapes: Sequence[Any], begins: Sequence[int], ends: Sequence[int], bits: Mapping[str, int]
) -> bool:
    """Whether each span is what dtype and shape take; KeyError or TypeError for a dtype that there isn't."""
    per_number = map(bits.__getitem__, dtypes)
    taken = [count * width for count, width in zip(map(math.prod, shapes), per_number, strict=True)]
    return taken == [(end - begin) * 8 for begin, end in zip(begins, ends, strict=True)] and min(begins) >= 0


def _infos(dtypes: Sequence[str], shapes: Sequence[Sequence[int]]) -> list[TensorInfo]:
    """One object for all tensors of one dtype and shape, of which a model has few."""
    made: dict[tuple[str, tuple[int, ...]], TensorInfo] = {}
    kinds = list(zip(dtypes, map(tuple, shapes), strict=True))
    for kind in set(kinds):
        made[kind] = TensorInfo(*kind)
    return [made[kind] for kind in kinds]
