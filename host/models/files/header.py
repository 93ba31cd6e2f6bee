"""Reads what a model file says of itself, believing nothing that can be checked.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from host.models.errors import MalformedFile, ModelFileError
from host.models.files.compact_header import DIMENSIONS_LIMIT, METADATA, HeaderContent
from host.models.files.known_layouts import KnownLayouts
from host.models.files.other_formats import other_format
from host.models.files.scales import without_scales
from sdk.models import Header, TensorInfo

SAFETENSORS_SUFFIXES = (".safetensors", ".sft")
_INDEX_NAME = re.compile(r".+\.safetensors\.index(\.\w+)?\.json", re.IGNORECASE)
GGUF_SUFFIX = ".gguf"

DTYPE_BITS: Mapping[str, int] = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
    "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip

HEADER_LIMIT = 32 * 2**20
"""Longest header read; the largest in use are below 1 MiB."""

_LENGTH_BYTES = 8
_FIELDS = frozenset({"dtype", "shape", "data_offsets"})
_INTEGER = frozenset({int})
_ELEMENTS_LIMIT = 2**63


class _Fault(ValueError):
    """What is wrong with a header, before the path is known."""


@dataclass(frozen=True)
class Layout:
    """A safetensors file's header, and where each tensor's bytes begin and end, counted from the header's end."""

    header: Header
    start: int
    begins: Sequence[int]
    ends: Sequence[int]

    @cached_property
    def spans(self) -> Mapping[str, tuple[int, int]]:
        """Begin and end by the tensor's name, in their order, counted from the file's start."""
        places = zip(self.begins, self.ends, strict=True)
        return {
            name: (self.start + begin, self.start + end)
            for name, (begin, end) in zip(self.header.tensors, places, strict=True)
        }


def read_header(path: Path, known: KnownLayouts | None = None) -> Header:
    """What a model file of any known format says of itself; loads torch only for torch's own formats.

    ``known`` remembers headers, so that others like them are read faster.
    """
    if path.name.lower().endswith(SAFETENSORS_SUFFIXES):
        return without_scales(read_layout(path, known).header)
    from host.models.files.weights import open_weights

    return open_weights(path).header


def read_layout(path: Path, known: KnownLayouts | None = None) -> Layout:
    """The checked header of a safetensors file, tensors in the order of their bytes; reads no tensor.

    Raises MalformedFile for anything that is not exactly such a file.
    """
    size = regular_file_size(path)
    try:
        raw, start = _header_bytes(path, size)
        found = (known or KnownLayouts()).read(raw, size - start, DTYPE_BITS) or _checked(raw, size - start)
    except _Fault as fault:
        raise other_format(path) or MalformedFile(path, str(fault)) from fault
    except OSError as error:
        raise unreadable(path, error) from error
    return Layout(Header(path, found.tensors, found.metadata), start, found.begins, found.ends)


def regular_file_size(path: Path) -> int:
    """The size of a regular file; anything else (folder, pipe, device, nothing) is a ModelFileError."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError(path, "is a folder" if stat.S_ISDIR(status.st_mode) else "is not a regular file")
    return status.st_size


def unreadable(path: Path, error: Exception) -> ModelFileError:
    """What to raise where the system refuses to open or to read a file."""
    return ModelFileError(path, f"can't be read ({error})")


def is_shard_index(name: str) -> bool:
    """Whether a file of this name lists a model's shards: ``*.safetensors.index.json``, or ``….index.fp16.json``."""
    return _INDEX_NAME.fullmatch(name) is not None


def read_shard_index(path: Path) -> dict[str, str]:
    """The shard's file name for each tensor of a sharded model, by its index."""
    if regular_file_size(path) > HEADER_LIMIT:
        raise MalformedFile(path, f"is longer than {HEADER_LIMIT} bytes")
    try:
        shards = parse_json(path.read_bytes()).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise _Fault("has no weight_map")
        for name, shard in shards.items():
            if not isinstance(shard, str) or shard in ("", ".", "..") or set(shard) & {"/", "\\", "\0"}:
                raise _Fault(f"puts tensor {name!r} into {shard!r}, which is not the name of a file beside it")
    except _Fault as fault:
        raise MalformedFile(path, str(fault)) from fault
    except OSError as error:
        raise unreadable(path, error) from error
    return shards


def parse_json(raw: bytes) -> dict[str, Any]:
    """A JSON object, strictly: no repeated keys, no NaN, no depth beyond the parser's."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except _Fault:
        raise
    except RecursionError as error:
        raise _Fault("the header is nested too deeply") from error
    except ValueError as error:
        raise _Fault(f"the header is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise _Fault("the header is not a JSON object")
    return value


def _header_bytes(path: Path, size: int) -> tuple[bytes, int]:
    if size < _LENGTH_BYTES:
        raise _Fault("is empty" if size == 0 else f"has only {size} bytes")
    with path.open("rb", buffering=0) as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > size - _LENGTH_BYTES:
            raise _Fault(f"claims a header of {length} bytes but has only {size} bytes in all")
        if length > HEADER_LIMIT:
            raise _Fault(f"claims a header of {length} bytes; at most {HEADER_LIMIT} are read")
        raw = file.read(length)
        if len(raw) < length or os.fstat(file.fileno()).st_size != size:
            raise _Fault("changed while it was read")
    return raw, _LENGTH_BYTES + length


def _checked(raw: bytes, available: int) -> HeaderContent:
    """What any header says, each tensor looked at for itself, so that a fault can be named."""
    entries = parse_json(raw)
    metadata = _metadata(entries.pop(METADATA, {}))
    spans, infos = {}, {}
    for name, entry in entries.items():
        infos[name], spans[name] = _tensor(name, entry, available)
    _check_coverage(spans, available)
    names = sorted(spans, key=spans.__getitem__)
    begins, ends = [spans[name][0] for name in names], [spans[name][1] for name in names]
    return HeaderContent({name: infos[name] for name in names}, metadata, begins, ends)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for place, name in enumerate(names) if name in names[:place])
        raise _Fault(f"the header has the key {name!r:.80} twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise _Fault(f"the header contains {name}")


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _Fault("__metadata__ is not an object of strings")
    return value


def _tensor(name: str, entry: Any, available: int) -> tuple[TensorInfo, tuple[int, int]]:
    if not isinstance(entry, dict) or not entry.keys() >= _FIELDS:
        raise _Fault(f"tensor {name!r} lacks dtype, shape or data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise _Fault(f"tensor {name!r} has the unknown dtype {dtype!r:.40}")
    if not _naturals(shape) or len(shape) > DIMENSIONS_LIMIT or _magnitude(shape) >= _ELEMENTS_LIMIT:
        raise _Fault(f"tensor {name!r} has an impossible shape {shape!r:.80}")
    if not _naturals(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1]:
        raise _Fault(f"tensor {name!r} has impossible offsets {offsets!r:.80}")
    begin, end = offsets
    if end > available:
        raise _Fault(f"tensor {name!r} ends at byte {end} of the data, of which the file has only {available}")
    if (end - begin) * 8 != math.prod(shape) * DTYPE_BITS[dtype]:
        raise _Fault(f"tensor {name!r} has {end - begin} bytes, which is not what {dtype} {shape!r:.80} takes")
    return TensorInfo(dtype, tuple(shape)), (begin, end)


def _naturals(value: Any) -> bool:
    # For each of the many tensors of many files; a generator would take twice as long. True and False are no numbers.
    return isinstance(value, list) and _INTEGER.issuperset(map(type, value)) and min(value, default=0) >= 0


def _magnitude(shape: list[int]) -> int:
    """How many elements a shape stands for, empty dimensions left out, since they would hide the others."""
    return math.prod(shape) or math.prod(filter(None, shape))


def _check_coverage(spans: Mapping[str, tuple[int, int]], available: int) -> None:
    position, previous = 0, "the header"
    for (begin, end), name in sorted((span, name) for name, span in spans.items()):
        if begin < position:
            raise _Fault(f"tensor {name!r} overlaps {previous!r}")
        if begin > position:
            raise _Fault(f"{begin - position} bytes before tensor {name!r} belong to nothing")
        position, previous = end, name
    if position != available:
        raise _Fault(f"{available - position} bytes at the end belong to nothing")
