"""Puts a pretended CUDA device in the place of ``torch.cuda``."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from tests.support.pretend_cuda.chip import Chip, OnChip
from tests.support.pretend_cuda.streams import Stream
from tests.support.pretend_cuda.tensors import give_data

_GUARDS = "_ZN3c104impl26device_guard_impl_registryE"
"""c10's table of what switches devices, one entry for each kind."""

_KINDS, _CUDA, _META = 24, 1, 14


@contextmanager
def pretended_cuda() -> Iterator[Chip]:
    """A CUDA device ``cuda:0`` for this thread, for the length of a ``with`` block."""
    chip = Chip()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.multiple(torch.cuda, **_functions(chip)))
        stack.enter_context(_switchable())
        stack.enter_context(mock.patch.object(torch.nn.Parameter, "data", property(Tensor.detach, give_data)))
        stack.enter_context(OnChip(chip))
        yield chip


def _functions(chip: Chip) -> dict[str, Any]:
    memory, streams = chip.memory, chip.streams
    return {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda device=None: "pretended",
        "mem_get_info": lambda device=None: (memory.capacity - memory.live, memory.capacity),
        "memory_reserved": lambda device=None: memory.live,
        "memory_allocated": lambda device=None: memory.live,
        "empty_cache": lambda: None,
        "Stream": Stream,
        "current_stream": lambda device=None: streams.current,
        "stream": streams.entered,
    }


@contextmanager
def _switchable() -> Iterator[None]:
    """Let torch believe that devices of this kind can be switched between: to what it does where there are none."""
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libc10.so"))
    guards = (ctypes.c_void_p * _KINDS).in_dll(library, _GUARDS)
    guards[_CUDA], before = guards[_META], guards[_CUDA]
    lifted, swaps = torch._C._only_lift_cpu_tensors(), torch.__future__.get_swap_module_params_on_conversion()
    torch._C._set_only_lift_cpu_tensors(True)  # or ``torch.tensor(…, device=…)`` goes past dispatch modes
    torch.__future__.set_swap_module_params_on_conversion(True)  # or ``module.to`` makes tensors of neither kind
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swaps)
        torch._C._set_only_lift_cpu_tensors(lifted)
        guards[_CUDA] = before
