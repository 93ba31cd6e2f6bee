"""Reads GGUF files: weights in blocks of few bits, widened when they are used.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch  # noqa: TID253 - this module is loaded when models are opened
from torch import Tensor  # noqa: TID253

from host.models.errors import MalformedFile
from host.models.files.gguf_blocks import KINDS, widened
from host.models.files.header import regular_file_size
from host.models.files.mapped_bytes import MappedBytes
from host.models.files.packed import Packed
from host.models.files.weights import stored_as
from sdk.models import Header, TensorInfo

_PLAIN: Mapping[str, str] = {
    "F32": "F32",
    "F16": "F16",
    "BF16": "BF16",
    "F64": "F64",
    "I8": "I8",
    "I16": "I16",
    "I32": "I32",
    "I64": "I64",
}
"""Types stored number by number, by GGUF's names, as safetensors spells them."""

_QUANTISED = "BF16"
_ORIGINAL_SHAPE = "comfy.gguf.orig_shape."


class _Reader(gguf.GGUFReader):
    """Reads a header; many times faster than over the mapped array as it is, which looks after each slice of itself."""

    @property
    def data(self) -> Any:
        """The file's bytes."""
        return self._data

    @data.setter
    def data(self, mapped: Any) -> None:
        self._data = np.asarray(mapped)


@dataclass(frozen=True)
class _Place:
    """Where a tensor's bytes lie and what they are."""

    kind: str
    start: int
    end: int


class GgufFile:
    """Implements ``WeightFile`` over a GGUF file.

    Quantised tensors are widened to float32 each time they are asked for; the header says bfloat16, which is all they
    are worth. Text and numbers of the file's metadata stand in the header's.

    Raises:
        MalformedFile: it is no GGUF file, or is cut off.
    """

    def __init__(self, path: Path) -> None:
        regular_file_size(path)
        try:
            reader = _Reader(path)
            facts = {name: field.contents() for name, field in reader.fields.items() if _is_small(field)}
        except (ValueError, KeyError, IndexError, OverflowError, OSError, UnicodeDecodeError) as error:
            raise MalformedFile(path, f"is no GGUF file that can be read ({error})") from error
        if reader.byte_order == "S":
            raise MalformedFile(path, "was written for machines with the other order of bytes")
        self._places = {
            tensor.name: _Place(tensor.tensor_type.name, tensor.data_offset, tensor.data_offset + tensor.n_bytes)
            for tensor in reader.tensors
        }
        infos = {
            tensor.name: TensorInfo(_PLAIN.get(tensor.tensor_type.name, _QUANTISED), _shape(tensor, facts))
            for tensor in reader.tensors
        }
        for tensor in reader.tensors:
            if math.prod(infos[tensor.name].shape) != tensor.n_elements:
                raise MalformedFile(
                    path, f"gives {tensor.name!r} a shape that its {tensor.n_elements} numbers don't fill"
                )
        metadata = {name: str(value) for name, value in facts.items() if isinstance(value, str | int | float)}
        self._header = Header(path, infos, metadata)
        self._bytes = MappedBytes(path, max((place.end for place in self._places.values()), default=0))

    @property
    def header(self) -> Header:
        return self._header

    def tensor(self, key: str) -> Tensor:
        """The tensor, widened where it is quantised; raises MalformedFile for blocks that can't be."""
        packed, place = self.packed(key), self._places[key]
        if packed is not None:
            return packed.tensor()
        if place.start == place.end:
            return torch.empty(self._shape(key), dtype=stored_as(self._header, key))
        raw = self._bytes.view(place.start, place.end)
        return (raw if self.maps(key) else raw.clone()).view(stored_as(self._header, key)).view(self._shape(key))

    def maps(self, key: str) -> bool:
        """Whether it is stored number by number, at a place where the numbers can be used as they are."""
        place = self._places[key]
        return place.kind in _PLAIN and place.start % stored_as(self._header, key).itemsize == 0

    def packed(self, key: str) -> Packed | None:
        """Its blocks; raises MalformedFile for those that can't be widened."""
        place, shape = self._places[key], self._shape(key)
        if place.kind in _PLAIN or place.start == place.end:
            return None
        numbers, size = _block(place.kind)
        rows = shape[0] if shape and math.prod(shape[1:]) % numbers == 0 else 0
        raw = self._bytes.view(place.start, place.end)
        if place.kind not in KINDS:
            self._try(key, raw[:size])
        widen = partial(_widened, kind=place.kind, size=size, tail=shape[1:])
        return Packed((raw.view(rows, -1) if rows else raw,), shape, widen, bool(rows))

    def prefetch(self, *keys: str) -> None:
        self._bytes.prefetch((place.start, place.end) for place in map(self._places.__getitem__, keys))

    def release(self, key: str) -> None:
        place = self._places[key]
        self._bytes.release(place.start, place.end)

    def _shape(self, key: str) -> tuple[int, ...]:
        return self._header.tensors[key].shape

    def _try(self, key: str, block: Tensor) -> None:
        kind = self._places[key].kind
        try:
            _widened(block, kind=kind, size=len(block), tail=())
        except (NotImplementedError, ValueError) as error:
            raise MalformedFile(self._header.path, f"stores {key!r} as {kind}, which can't be widened") from error


def _widened(stored: Tensor, *, kind: str, size: int, tail: tuple[int, ...]) -> Tensor:
    """The numbers of blocks of so many bytes, row by row."""
    blocks = stored.reshape(-1, size)
    if kind in KINDS:
        return widened(blocks, kind).reshape(-1, *tail)
    wide = gguf.quants.dequantize(blocks.cpu().numpy(), gguf.GGMLQuantizationType[kind])
    return torch.from_numpy(wide).to(stored.device).reshape(-1, *tail)


def _block(kind: str) -> tuple[int, int]:
    """How many numbers a block has, and how many bytes."""
    numbers, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    return numbers, size


def _is_small(field: Any) -> bool:
    """A single value, or a shape; vocabularies are left in the file."""
    return len(field.data) <= 8


def _shape(tensor: Any, facts: Mapping[str, Any]) -> tuple[int, ...]:
    """GGUF counts dimensions from the innermost; converters write down shapes it had to flatten."""
    original = facts.get(_ORIGINAL_SHAPE + tensor.name)
    shape = original if isinstance(original, list) else reversed(tensor.shape.tolist())
    return tuple(int(length) for length in shape)
