"""Model files that are in memory, or of which there is only a header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from sdk import Header, TensorInfo

_NAMES = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "uint8": "U8",
}


class HeaderOnly:
    """Implements ``host.models.files.weights.WeightFile`` over a header; no tensor can be had."""

    def __init__(self, header: Header) -> None:
        self.header = header

    def tensor(self, key: str) -> Tensor:
        raise AssertionError(f"{key} was asked for")

    def maps(self, key: str) -> bool:
        return True

    def packed(self, key: str) -> None:
        pass

    def prefetch(self, *keys: str) -> None:
        pass

    def release(self, key: str) -> None:
        pass


class InMemory(HeaderOnly):
    """The same over tensors."""

    def __init__(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
        infos = {key: TensorInfo(_dtype(tensor), tuple(tensor.shape)) for key, tensor in tensors.items()}
        super().__init__(Header(Path("memory.safetensors"), infos, metadata or {}))
        self._tensors = tensors

    def tensor(self, key: str) -> Tensor:
        return self._tensors[key]


def _dtype(tensor: Tensor) -> str:
    return _NAMES[str(tensor.dtype).removeprefix("torch.")]
