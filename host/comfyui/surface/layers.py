"""``comfy.ops``: torch's layers as packs build their own networks from them.

Their weights are left as they lie in memory, since they are loaded next, and are used on the input's device and in its
dtype, wherever and whatever they are.
"""

# ruff: noqa: TID253, N801 - packs that import this work with torch, and know the classes by these names
from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["cast_bias_weight", "cast_to_input", "disable_weight_init", "manual_cast"]


def cast_to_input(weight: Tensor, input: Tensor, non_blocking: bool = False, copy: bool = True) -> Tensor:
    """A weight on the input's device and in its dtype."""
    return weight.to(device=input.device, dtype=input.dtype, non_blocking=non_blocking)


def cast_bias_weight(
    s: Any, input: Tensor | None = None, dtype: Any = None, device: Any = None, bias_dtype: Any = None
) -> tuple[Tensor, Tensor | None]:
    """(weight, bias) of a layer on the input's device and in its dtype, or as said."""
    if input is not None:
        dtype, device = dtype or input.dtype, device or input.device
    bias = None if s.bias is None else s.bias.to(device=device, dtype=bias_dtype or dtype)
    return s.weight.to(device=device, dtype=dtype), bias


class _Unset:
    def reset_parameters(self) -> None:
        """Nothing."""


class disable_weight_init:
    """The layers, by torch's names for them."""

    class Linear(_Unset, nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return functional.linear(input, *cast_bias_weight(self, input))

    class Conv1d(_Unset, nn.Conv1d):
        def forward(self, input: Tensor) -> Tensor:
            made: Tensor = self._conv_forward(input, *cast_bias_weight(self, input))
            return made

    class Conv2d(_Unset, nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            made: Tensor = self._conv_forward(input, *cast_bias_weight(self, input))
            return made

    class Conv3d(_Unset, nn.Conv3d):
        def forward(self, input: Tensor) -> Tensor:
            made: Tensor = self._conv_forward(input, *cast_bias_weight(self, input))
            return made

    class GroupNorm(_Unset, nn.GroupNorm):
        def forward(self, input: Tensor) -> Tensor:
            weight, bias = cast_bias_weight(self, input) if self.affine else (None, None)
            return functional.group_norm(input, self.num_groups, weight, bias, self.eps)

    class LayerNorm(_Unset, nn.LayerNorm):
        def forward(self, input: Tensor) -> Tensor:
            weight, bias = cast_bias_weight(self, input) if self.elementwise_affine else (None, None)
            return functional.layer_norm(input, list(self.normalized_shape), weight, bias, self.eps)

    class Embedding(_Unset, nn.Embedding):
        def forward(self, input: Tensor, out_dtype: Any = None) -> Tensor:
            found = functional.embedding(input, self.weight.to(input.device), self.padding_idx)
            return found if out_dtype is None else found.to(out_dtype)

    @classmethod
    def conv_nd(cls, dims: int, *arguments: Any, **options: Any) -> nn.Module:
        """A convolution over two or three dimensions; ValueError for other numbers."""
        if dims not in (2, 3):
            raise ValueError(f"a convolution over {dims} dimensions is not offered to packs here, over 2 or 3 it is")
        return (cls.Conv2d if dims == 2 else cls.Conv3d)(*arguments, **options)


class manual_cast(disable_weight_init):
    """The same layers."""
