"""Tensors that say they are on a CUDA device, and compute with ordinary ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from tests.support.pretend_cuda.streams import Stream

if TYPE_CHECKING:
    from tests.support.pretend_cuda.chip import Chip

CUDA = torch.device("cuda", 0)


class DeviceTensor(Tensor):
    """A tensor on the pretended device; ``held`` has its numbers."""

    held: Tensor
    chip: Chip
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor, chip: Chip) -> DeviceTensor:
        chip.memory.take(held)
        wrapper: Any = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device=CUDA, requires_grad=False
        )
        wrapper.held, wrapper.chip = held, chip
        return wrapper  # type: ignore[no-any-return]

    def __init__(self, held: Tensor, chip: Chip) -> None:
        """All is done in ``__new__``, as tensors must."""

    def __repr__(self) -> str:  # type: ignore[override]
        return f"DeviceTensor({self.held})"

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        give_data(self, value)

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def untyped_storage(self) -> torch.UntypedStorage:
        return self.held.untyped_storage()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def new_tensor(self, data: Any, **options: Any) -> Tensor:  # type: ignore[override]
        return torch.tensor(data, **{"dtype": self.dtype, "device": CUDA, **options})

    def record_stream(self, stream: Stream) -> None:  # type: ignore[override]
        self.held.untyped_storage().block.recorded.add(stream)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not all(issubclass(cls, kind) for kind in types):
            return NotImplemented
        chip = next(value.chip for value in tree_flatten((args, kwargs))[0] if isinstance(value, DeviceTensor))
        return chip.compute(func, args, dict(kwargs or {}))


def give_data(parameter: Tensor, value: Tensor) -> None:
    """Let a parameter be another tensor, which may be on another device."""
    torch.utils.swap_tensors(parameter, torch.nn.Parameter(value, requires_grad=parameter.requires_grad))
