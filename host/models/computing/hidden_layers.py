"""Layers whose weights stand in for themselves, as compiled code calls them: by number, so that it holds no weights."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor, nn  # noqa: TID253
from torch.nn.functional import conv2d, linear  # noqa: TID253

from host.models.computing.stand_in import StandIn

# Operations of torch are the process's own, and so are the layers they are called for.
_BY_NUMBER: weakref.WeakValueDictionary[int, nn.Module] = weakref.WeakValueDictionary()
_NUMBER = "_number_for_compiled_code"


@contextmanager
def weights_hidden(blocks: Sequence[nn.Module]) -> Iterator[None]:
    """Layers with a stand-in as their weight, callable from compiled code."""
    define_operation()
    layers = [each for block in blocks for each in block.modules() if _is_hidden(each)]
    kinds = [type(layer) for layer in layers]
    for layer in layers:
        number = layer.__dict__.get(_NUMBER)
        if number is None:
            number = layer.__dict__[_NUMBER] = torch.tensor(max(_BY_NUMBER, default=0) + 1)
            _BY_NUMBER[int(number)] = layer
        layer.__class__ = _HIDING[type(layer)]
    try:
        yield
    finally:
        for layer, kind in zip(layers, kinds, strict=True):
            layer.__class__ = kind


def _is_hidden(layer: nn.Module) -> bool:
    if type(layer) not in _HIDING or not isinstance(layer._parameters.get("weight"), StandIn):
        return False
    return not isinstance(layer, nn.Conv2d) or (layer.padding_mode == "zeros" and not isinstance(layer.padding, str))


class _HiddenLinear(nn.Linear):
    _number_for_compiled_code: Tensor

    def forward(self, input: Tensor) -> Tensor:
        number = self._number_for_compiled_code
        return torch.ops.comfy_nodes.layer(input, number, self.out_features, [], [], [], [])  # type: ignore[no-any-return]


class _HiddenConvolution(nn.Conv2d):
    _number_for_compiled_code: Tensor

    def forward(self, input: Tensor) -> Tensor:
        number, sizes = self._number_for_compiled_code, (self.kernel_size, self.stride, self.padding, self.dilation)
        return torch.ops.comfy_nodes.layer(input, number, self.out_channels, *sizes)  # type: ignore[no-any-return]


_HIDING: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: _HiddenLinear, nn.Conv2d: _HiddenConvolution}


@cache
def define_operation() -> None:
    """Let torch know the operation by which compiled code calls layers; a process can do so once."""
    operation = torch.library.custom_op("comfy_nodes::layer", _call_layer, mutates_args=())
    operation.register_fake(_shape_of_layer)


def _call_layer(
    x: Tensor,
    number: Tensor,
    outputs: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    layer: Any = _BY_NUMBER[int(number)]
    if not kernel:
        return linear(x, layer.weight, layer.bias).contiguous()
    result = conv2d(x, layer.weight, layer.bias, stride, padding, dilation, layer.groups)
    return result.contiguous(memory_format=_order(x))


def _shape_of_layer(
    x: Tensor,
    number: Tensor,
    outputs: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    if not kernel:
        return x.new_empty(*x.shape[:-1], outputs)
    sides = [
        (x.shape[2 + side] + 2 * padding[side] - dilation[side] * (kernel[side] - 1) - 1) // stride[side] + 1
        for side in range(2)
    ]
    return x.new_empty(x.shape[0], outputs, *sides).contiguous(memory_format=_order(x))


def _order(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
