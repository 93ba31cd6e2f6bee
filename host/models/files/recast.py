"""Weights that a file stores in one form and modules get in another: rounded, or stored with scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch  # noqa: TID253 - this module is loaded when models are opened
from torch import Tensor  # noqa: TID253

from host.models.errors import ModelFileError
from host.models.files.packed import Packed
from host.models.files.scales import scales_of, without_scales
from host.models.files.weights import TORCH_DTYPES, WeightFile
from sdk.models import Header, TensorInfo

_FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})


class RecastFile:
    """A ``WeightFile`` some of whose tensors are computed from those of another one, whenever they are asked for."""

    def __init__(self, file: WeightFile, header: Header, computed: Mapping[str, Callable[[], Packed]]) -> None:
        self._file, self._header, self._computed = file, header, computed

    @property
    def header(self) -> Header:
        return self._header

    def tensor(self, key: str) -> Tensor:
        compute = self._computed.get(key)
        return self._file.tensor(key) if compute is None else compute().tensor()

    def maps(self, key: str) -> bool:
        return key not in self._computed and self._file.maps(key)

    def packed(self, key: str) -> Packed | None:
        compute = self._computed.get(key)
        if compute is None:
            return self._file.packed(key)
        return compute() if self._file.maps(key) or self._file.packed(key) is not None else None

    def prefetch(self, *keys: str) -> None:
        self._file.prefetch(*keys)

    def release(self, key: str) -> None:
        self._file.release(key)


class RoundedFile(RecastFile):
    """A file whose floating-point weights are rounded to ``dtype`` (as safetensors spells it).

    Raises ModelFileError for a dtype that torch doesn't have.
    """

    def __init__(self, file: WeightFile, dtype: str) -> None:
        if dtype not in TORCH_DTYPES:
            raise ModelFileError(file.header.path, f"can't be rounded to {dtype}, which torch can't hold")
        infos = file.header.tensors
        rounded = [key for key, info in infos.items() if info.dtype in _FLOATS and info.dtype != dtype]
        tensors = dict(infos) | {key: TensorInfo(dtype, infos[key].shape) for key in rounded}

        def computed(key: str) -> Callable[[], Packed]:
            return lambda: (file.packed(key) or _plain(file.tensor(key))).rounded(TORCH_DTYPES[dtype])

        super().__init__(file, replace(file.header, tensors=tensors), {key: computed(key) for key in rounded})


def _plain(tensor: Tensor) -> Packed:
    return Packed((tensor,), tuple(tensor.shape), lambda stored: stored, by_rows=tensor.ndim > 0)


def with_scales_applied(file: WeightFile) -> WeightFile:
    """The file itself, or, where its weights come with scales, one with both multiplied.

    The products are float32, so that nothing is lost where that is computed with; the header says bfloat16. Raises
    ModelFileError for scales of kinds that aren't known.
    """
    scales = scales_of(file.header)
    header = without_scales(file.header, scales)
    if header is file.header:
        return file

    def computed(weight: str, scale: str) -> Callable[[], Packed]:
        return lambda: _scaled(file.tensor(weight), file.tensor(scale))

    both = {weight: computed(weight, scale) for weight, scale in scales.items()}
    return RecastFile(file, header, both)


def _scaled(weight: Tensor, scale: Tensor) -> Packed:
    """The factor of all rows as a scalar, so that it goes with any of them; else one for each row."""
    factor = scale.reshape(()) if scale.numel() == 1 else scale.reshape(-1)
    return Packed((weight, factor), tuple(weight.shape), _multiplied, by_rows=weight.ndim > 0)


def _multiplied(weight: Tensor, factor: Tensor) -> Tensor:
    return weight.to(torch.float32, copy=True).mul_(factor.float().reshape(-1, *[1] * (weight.ndim - 1)))
