"""Writes safetensors files one tensor at a time, so that a merged model is never in memory as a whole."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import torch
from torch import Tensor

_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_ALIGNMENT = 8


@dataclass(frozen=True)
class Entry:
    """A tensor of a file to be: what it will be, and how to get it when its turn comes.

    Attributes:
        dtype: as safetensors spells it.
    """

    dtype: str
    shape: tuple[int, ...]
    make: Callable[[], Tensor]

    @property
    def bytes(self) -> int:
        """What it takes."""
        return math.prod(self.shape) * _DTYPES[self.dtype].itemsize


def entry_of(tensor: Tensor) -> Entry:
    """A tensor that is already there."""
    return Entry(_NAMES[tensor.dtype], tuple(tensor.shape), lambda: tensor)


def joined(entries: Sequence[Entry]) -> Entry:
    """Several entries as one, their rows one below another."""
    if len(entries) == 1:
        return entries[0]
    rows = sum(entry.shape[0] for entry in entries)
    shape = (rows, *entries[0].shape[1:])
    return Entry(entries[0].dtype, shape, lambda: torch.cat([entry.make() for entry in entries]))


def write_tensors(
    file: IO[bytes], entries: Mapping[str, Entry], metadata: Mapping[str, str], told: Callable[[int, int], None]
) -> None:
    """Write a safetensors file.

    Args:
        told: called after each tensor with the bytes written so far and all there are.

    Raises:
        ValueError: a tensor is not what its entry says.
        KeyError: a dtype has no place in such a file.
    """
    # Wide numbers first keeps every tensor aligned.
    order = sorted(entries, key=lambda name: (-_DTYPES[entries[name].dtype].itemsize, name))
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name in order:
        entry = entries[name]
        end = start + entry.bytes
        header[name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    written = 0
    for name in order:
        file.write(_content(name, entries[name]))
        written += entries[name].bytes
        told(written, start)


def _content(name: str, entry: Entry) -> bytes | memoryview:
    tensor = entry.make().to("cpu", _DTYPES[entry.dtype]).contiguous()
    if tuple(tensor.shape) != entry.shape:
        raise ValueError(f"{name} was to be {list(entry.shape)} and is {list(tensor.shape)}")
    if not tensor.numel():
        return b""
    return memoryview(tensor.reshape(-1).view(torch.uint8).numpy())
