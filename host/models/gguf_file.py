"""Reads GGUF files: weights in blocks of few bits, widened when they are used.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is loaded when models are opened
from torch import Tensor  # noqa: TID253

from host.models.errors import MalformedFile
from host.models.header import regular_file_size
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


class GgufFile:
    """Implements ``WeightFile`` over a GGUF file, which the ``gguf`` package maps.

    Quantised tensors are widened to float32 each time they are asked for; the header says bfloat16, which is all they
    are worth. Text and numbers of the file's metadata stand in the header's.

    Raises:
        MalformedFile: it is no GGUF file, or is cut off.
    """

    def __init__(self, path: Path) -> None:
        import gguf

        regular_file_size(path)
        try:
            reader = gguf.GGUFReader(path)
            self._tensors = {tensor.name: tensor for tensor in reader.tensors}
            facts = {name: field.contents() for name, field in reader.fields.items() if _is_small(field)}
        except (ValueError, KeyError, IndexError, OverflowError, OSError, UnicodeDecodeError) as error:
            raise MalformedFile(path, f"is no GGUF file that can be read ({error})") from error
        metadata = {name: str(value) for name, value in facts.items() if isinstance(value, str | int | float)}
        self._shapes = {name: _shape(tensor, facts) for name, tensor in self._tensors.items()}
        infos = {
            name: TensorInfo(_PLAIN.get(tensor.tensor_type.name, _QUANTISED), self._shapes[name])
            for name, tensor in self._tensors.items()
        }
        self._header = Header(path, infos, metadata)

    @property
    def header(self) -> Header:
        return self._header

    def tensor(self, key: str) -> Tensor:
        """The widened tensor; raises MalformedFile for a type of blocks that can't be widened."""
        stored = self._tensors[key]
        info = self._header.tensors[key]
        if stored.tensor_type.name in _PLAIN and stored.tensor_type.name != "BF16":
            return torch.from_numpy(stored.data.copy()).reshape(info.shape)
        from gguf.quants import dequantize

        try:
            wide = dequantize(stored.data, stored.tensor_type)
        except (NotImplementedError, ValueError) as error:
            kind = stored.tensor_type.name
            raise MalformedFile(self.header.path, f"stores {key!r} as {kind}, which can't be widened") from error
        return torch.from_numpy(wide).reshape(info.shape)

    def maps(self, key: str) -> bool:
        """Never: what is asked for is computed."""
        return False

    def prefetch(self, key: str) -> None:
        """Nothing: the tensor is read when it is widened."""

    def release(self, key: str) -> None:
        """Nothing: the system drops the mapping's pages when it wants their memory."""


def _is_small(field: Any) -> bool:
    """A single value, or a shape; vocabularies are left in the file."""
    return len(field.data) <= 8


def _shape(tensor: Any, facts: Mapping[str, Any]) -> tuple[int, ...]:
    """GGUF counts dimensions from the innermost; converters write down shapes it had to flatten."""
    original = facts.get(_ORIGINAL_SHAPE + tensor.name)
    shape = original if isinstance(original, list) else reversed(tensor.shape.tolist())
    return tuple(int(length) for length in shape)
