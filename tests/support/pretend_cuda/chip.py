"""The pretended device itself: runs kernels, refuses what a real one refuses, and counts what waits for it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.pretend_cuda.memory import Memory
from tests.support.pretend_cuda.rules import Call, check_mixing, check_randomness, waits
from tests.support.pretend_cuda.streams import Streams
from tests.support.pretend_cuda.tensors import DeviceTensor

_CPU = torch.device("cpu")
_MATH_ATTENTION = 0
"""Of ``SDPBackend``: the only one whose kernels every device has."""

_aten = torch.ops.aten


class Chip:
    """The pretended device.

    Attributes:
        memory: what it holds.
        waits: how often the program waited for the device, by the kernel and the line of the host's that asked.
    """

    def __init__(self) -> None:
        self.streams = Streams()
        self.memory = Memory(self.streams)
        self.waits: Counter[tuple[str, str]] = Counter()

    def compute(self, func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What a kernel gives: on the device if one of its arguments is there, or it is asked to.

        Raises:
            MixedDevices: tensors of the device and of main memory met.
            RuntimeError: a stream uses what hasn't arrived, or the device draws random numbers.
            torch.OutOfMemoryError: the result doesn't fit.
        """
        tensors = list(_tensors([*args, *kwargs.values()]))
        there = [tensor for tensor in tensors if isinstance(tensor, DeviceTensor)]
        onto = kwargs.get("device")
        arrives = onto is not None and onto.type == "cuda"
        if not there and not arrives:
            return _on_host(func, args, kwargs)
        elsewhere = [tensor for tensor in tensors if not isinstance(tensor, DeviceTensor)]
        self._check(Call(func, args, kwargs, there, elsewhere))
        result = _run(func, *map(_held, args), **{name: _held(value) for name, value in kwargs.items()})
        leaves = onto is not None and not arrives
        if leaves or (func is _aten.copy_.default and not isinstance(args[0], DeviceTensor)):
            return result
        if torch.Tag.inplace_view in func.tags:
            raise NotImplementedError(f"{func} changes a tensor's shape in place, which pretended ones can't")
        return self._placed(result, {id(value.held): value for value in there})

    def _check(self, call: Call) -> None:
        for tensor in call.there:
            self.memory.use(tensor.held)
        check_mixing(call)
        check_randomness(call)
        if waits(call):
            self.waits[call.func._schema.name.removeprefix("aten::"), _asker()] += 1

    def _placed(self, value: Any, known: Mapping[int, DeviceTensor]) -> Any:
        """What a kernel gave, with its tensors on the device; those that it was given are ``known`` there."""
        if isinstance(value, tuple | list):
            return type(value)(self._placed(each, known) for each in value)
        if not isinstance(value, Tensor):
            return value
        return known[id(value)] if id(value) in known else DeviceTensor(value, self)


class OnChip(TorchDispatchMode):
    """Makes tensors that are asked for on ``cuda:0`` appear on the pretended device, for one thread."""

    def __init__(self, chip: Chip) -> None:
        super().__init__()
        self._chip = chip

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        stranger = next((kind for kind in types if not issubclass(DeviceTensor, kind)), None)
        if stranger is not None:
            with self:  # what it does meanwhile may come here too
                return stranger.__torch_dispatch__(func, types, args, kwargs)
        if func._schema.name == "aten::to":
            with self:  # or it might give the same tensor back
                return func.decompose(*args, **kwargs or {})
        return self._chip.compute(func, args, dict(kwargs or {}))


def _on_host(func: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    if func is _aten.is_pinned.default:
        return hasattr(args[0].untyped_storage(), "pinned")
    pins = kwargs.pop("pin_memory", None)
    result = func(*args, **kwargs)
    if pins:
        result.untyped_storage().pinned = True
    return result


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among a kernel's arguments, which are values or lists of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value)


def _held(value: Any) -> Any:
    """An argument as the CPU's kernel takes it."""
    if isinstance(value, DeviceTensor):
        return value.held
    return [_held(each) for each in value] if isinstance(value, tuple | list) else value


def _run(func: OpOverload, *args: Any, **kwargs: Any) -> Any:
    if func is _aten._fused_sdp_choice.default:
        return _MATH_ATTENTION
    known = {"device": _CPU, "pin_memory": None}
    return func(*args, **{name: known.get(name, value) for name, value in kwargs.items()})


def _asker() -> str:
    """The innermost line of the program's own that led here."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if "/host/" in file and "/tests/" not in file and "site-packages" not in file:
            return f"{file[file.index('/host/') + 1 :]}:{frame.f_lineno}"
        frame = frame.f_back
    return "tests"
