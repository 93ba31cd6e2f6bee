"""Ways of bringing weights from main memory to a device again and again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253


class Fetched(Protocol):
    """A tensor on its way to a device."""

    def wait(self) -> Tensor:
        """The tensor; what is computed with it from now on waits until it has arrived."""


class Transfer(Protocol):
    """How one device gets weights."""

    def host_copy(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        """The tensor in main memory as it is fetched from; it may share memory with the given one."""

    def fetch(self, host: Tensor) -> Fetched:
        """Start bringing a host copy to the device."""


def open_transfer(device: torch.device) -> Transfer:
    """The fastest way there is to that device."""
    return CudaTransfer(device) if device.type == "cuda" else PlainTransfer(device)


@dataclass(frozen=True)
class Arrived:
    """A tensor that is there."""

    tensor: Tensor

    def wait(self) -> Tensor:
        return self.tensor


@dataclass(frozen=True)
class PlainTransfer:
    """Copies when asked to, and waits."""

    device: torch.device

    def host_copy(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        return tensor.to("cpu", dtype)

    def fetch(self, host: Tensor) -> Arrived:
        return Arrived(host.to(self.device, copy=True))


@dataclass(frozen=True)
class _OnStream:
    tensor: Tensor
    arrived: torch.cuda.Event

    def wait(self) -> Tensor:
        computing = torch.cuda.current_stream(self.tensor.device)
        computing.wait_event(self.arrived)
        self.tensor.record_stream(computing)
        return self.tensor


class CudaTransfer:
    """Copies from pinned memory on a stream of its own, beside the computing.

    The program may run ahead of the device by two weights; then it waits, so that no more of them are there at a time
    than ``streaming.AHEAD``.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._computed: deque[torch.cuda.Event] = deque()

    def host_copy(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.empty(tensor.shape, dtype=dtype, pin_memory=True).copy_(tensor)

    def fetch(self, host: Tensor) -> _OnStream:
        until_here = torch.cuda.current_stream(self._device).record_event()
        self._computed.append(until_here)
        if len(self._computed) > 1:
            self._computed.popleft().synchronize()
        with torch.cuda.stream(self._stream):
            tensor = host.to(self._device, non_blocking=True)
            return _OnStream(tensor, self._stream.record_event())
