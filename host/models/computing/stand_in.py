"""Weights that are made when they are used, for whatever module of whatever family uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253
from torch.nn.functional import linear  # noqa: TID253
from torch.utils._pytree import tree_map_only  # noqa: TID253

from host.models.errors import ReadOnlyWeight

_aten = torch.ops.aten


@dataclass(frozen=True)
class Convolution:
    """A convolution in two dimensions that is about to be computed with a weight."""

    x: Tensor
    bias: Tensor | None
    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    groups: int

    @property
    def is_plain(self) -> bool:
        """Whether it is one of every pixel with a border of one."""
        ones = (self.stride, self.padding, self.dilation)
        return self.groups == 1 and all(number == 1 for numbers in ones for number in numbers)


@dataclass(frozen=True)
class Product:
    """A linear layer's product ``x W' + bias`` that is about to be computed with a weight."""

    x: Tensor
    bias: Tensor | None


class OnUse(Protocol):
    """What makes a weight when it is used, and changes it for patches."""

    @property
    def shape(self) -> torch.Size: ...
    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def device(self) -> torch.device: ...

    def dense(self) -> Tensor:
        """The weight as an ordinary tensor, which may be gone after this use; never to be written to."""

    def rows(self, indices: Tensor) -> Tensor:
        """Rows of the weight, without making the others."""

    def convolve(self, convolution: Convolution) -> Tensor | None:
        """The convolution's result where the weight knows a faster way, else None."""

    def multiply(self, product: Product) -> Tensor | None:
        """The product where the weight knows a faster way, else None."""

    def write(self, value: Tensor) -> None:
        """Be another weight from now on, of any dtype."""

    def restore(self) -> None:
        """Be the file's weight again, bit for bit."""


class StandIn(Tensor):
    """Has a weight's shape, dtype and device, and no memory; whatever is computed with it gets the weight.

    That holds below automatic differentiation, so that gradients with respect to inputs are right. Operations that
    would write to it raise ReadOnlyWeight; ``clone()`` gives a tensor that may be written to.
    """

    made: OnUse

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            # Automatic differentiation takes a linear layer apart before it is dispatched, even where it is off.
            faster = None if func is not linear or torch.is_grad_enabled() else _linear(*args, **(kwargs or {}))
            return func(*args, **(kwargs or {})) if faster is None else faster

    @staticmethod
    def __new__(cls, made: OnUse) -> StandIn:
        wrapper: Any = torch.Tensor._make_wrapper_subclass(
            cls, made.shape, dtype=made.dtype, device=made.device, requires_grad=False
        )
        wrapper.made = made
        wrapper._is_param = True  # as torch.nn.Parameter does for tensors that are no plain ones
        return wrapper  # type: ignore[no-any-return]

    def __init__(self, made: OnUse) -> None:
        """All is done in ``__new__``, as tensors must."""

    def __repr__(self) -> str:  # type: ignore[override]
        return f"StandIn({list(self.shape)}, {self.dtype}, {self.device})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is _aten.detach.default:
            return args[0]
        if func._schema.is_mutable:
            _refuse_writing(func, args)
        faster = _FASTER.get(func)
        result = None if faster is None or kwargs else faster(*args)
        if result is not None:
            return result
        args, kwargs = tree_map_only(StandIn, lambda weight: weight.made.dense(), (tuple(args), dict(kwargs or {})))
        return func(*args, **kwargs)


def _refuse_writing(func: Any, args: Sequence[Any]) -> None:
    for argument, value in zip(func._schema.arguments, args, strict=False):
        if isinstance(value, StandIn) and argument.alias_info is not None and argument.alias_info.is_write:
            raise ReadOnlyWeight(str(func))


def _convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, *rest: Any
) -> Tensor | None:
    return None if transposed else _convolution_2d(x, weight, bias, stride, padding, dilation, rest[-1])


def _convolution_2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: int = 1,
) -> Tensor | None:
    if not isinstance(weight, StandIn) or isinstance(x, StandIn) or isinstance(bias, StandIn):
        return None
    return weight.made.convolve(Convolution(x, bias, stride, padding, dilation, groups))


def _linear(input: Any, weight: Any, bias: Any = None) -> Tensor | None:
    if not isinstance(weight, StandIn) or isinstance(input, StandIn) or isinstance(bias, StandIn):
        return None
    return weight.made.multiply(Product(input, bias))


def _embedding(weight: Any, indices: Tensor, *rest: Any) -> Tensor | None:
    return weight.made.rows(indices) if isinstance(weight, StandIn) else None


_FASTER: Mapping[Any, Callable[..., Tensor | None]] = {
    _aten.convolution.default: _convolution,
    _aten.conv2d.default: _convolution_2d,
    _aten.embedding.default: _embedding,
}
