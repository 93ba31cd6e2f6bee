"""A weight on a device in as few bytes as its file has it in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.computing.stand_in import Convolution, Product
from host.models.computing.streaming import Stream
from host.models.files.packed import Packed
from host.models.files.packed_source import FromPacked
from sdk.models import TensorSource


def compact_bytes(shape: torch.Size, stored: torch.dtype, dtype: torch.dtype, packed: FromPacked | None) -> int | None:
    """What a weight takes in a form of fewer bytes than in the dtype it is computed in; None where there is none.

    Weights of eight bits have one, and packed ones, unless they are parts that can't be taken from the whole.
    """
    if stored.is_floating_point and stored.itemsize == 1 < dtype.itemsize:
        return shape.numel()
    if (
        packed is None
        or math.prod(packed.packed.shape) > shape.numel()
        or packed.nbytes >= shape.numel() * dtype.itemsize
    ):
        return None
    return packed.nbytes


def compact_form(weight: Tensor | FromPacked) -> FromPacked:
    """A weight of eight bits, or a packed one, to be widened."""
    if isinstance(weight, FromPacked):
        return weight
    packed = Packed((weight.contiguous(),), tuple(weight.shape), _as_it_is, by_rows=weight.ndim > 0)
    return FromPacked(packed, TensorSource(""))


def _as_it_is(stored: Tensor) -> Tensor:
    return stored


class CompactWeight:
    """Widens a weight each time it is used, and changes it then as patches say: what it holds never grows.

    Args:
        form: the weight as its file holds it.
        dtype: in what it is used.
        stream: brings it to the device for each use; None for one that stays there.
    """

    def __init__(self, form: FromPacked, dtype: torch.dtype, device: torch.device, stream: Stream | None) -> None:
        self.shape, self.dtype, self.device = form.shape, dtype, device
        first, *rest = form.packed.stored
        self._rest = tuple(tensor.to(device, copy=True) for tensor in rest)
        self._form, self._stream = form, stream
        self.host = first.to(device, copy=True) if stream is None else stream.transfer.host_copy(first, first.dtype)
        self._change: Callable[[Tensor], Tensor] | None = None

    def dense(self) -> Tensor:
        return self._changed(self._on_device().tensor()).to(self.dtype)

    def rows(self, indices: Tensor) -> Tensor:
        if self._change is None:
            return self._on_device().rows(indices).to(self.dtype)
        return torch.ops.aten.embedding.default(self.dense(), indices)  # type: ignore[no-any-return]

    def convolve(self, convolution: Convolution) -> Tensor | None:
        """None: devices have no weights to pack."""
        return None

    def multiply(self, product: Product) -> Tensor | None:
        """None, likewise."""
        return None

    def change(self, make: Callable[[Tensor], Tensor]) -> None:
        """Be what is made of the file's weight, each time; it is made once now, so that what is wrong shows."""
        make(self._on_device().tensor())
        self._change = make

    def write(self, value: Tensor) -> None:
        fixed = value.to(self.device, self.dtype, copy=True)
        self._change = lambda _: fixed

    def restore(self) -> None:
        self._change = None

    def _changed(self, wide: Tensor) -> Tensor:
        if self._change is None:
            return wide
        with torch.inference_mode(False), torch.no_grad():
            return self._change(wide)

    def _on_device(self) -> FromPacked:
        first = self.host if self._stream is None else self._stream.get(self)
        return replace(self._form, packed=replace(self._form.packed, stored=(first, *self._rest)))
