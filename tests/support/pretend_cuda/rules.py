"""What a CUDA device refuses, and what makes the program wait for it.

Sources: ATen's TensorIterator (``compute_types``: one CPU scalar per kernel), ``index`` and ``copy_``, and
``torch.cuda.set_sync_debug_mode`` for what synchronises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from tests.support.pretend_cuda.tensors import DeviceTensor

_aten = torch.ops.aten
_INDEXING = frozenset(f"aten::{name}" for name in ("index", "index_put", "index_put_", "_index_put_impl_"))
_SCALAR_TAKING = _INDEXING | {f"aten::{name}" for name in ("fill", "fill_", "masked_fill", "masked_fill_")}
_SCALARS_AT_ONCE = {"aten::where": 2}
_MASKS = (torch.bool, torch.uint8)


@dataclass(frozen=True)
class Call:
    """A kernel that is about to run, with its tensors on the device (``there``) and in main memory (``elsewhere``)."""

    func: OpOverload
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    there: Sequence[DeviceTensor]
    elsewhere: Sequence[Tensor]

    @property
    def name(self) -> str:
        return self.func._schema.name

    @property
    def copies(self) -> bool:
        return self.func in (_aten.copy_.default, _aten._to_copy.default)

    @property
    def indices(self) -> list[Tensor]:
        return [index for index in self.args[1] if isinstance(index, Tensor)] if self.name in _INDEXING else []


class MixedDevices(RuntimeError):
    """Tensors of the device and of main memory met in a kernel that can't take both."""

    def __init__(self, func: OpOverload) -> None:
        super().__init__(f"Expected all tensors to be on the same device, but found two, cuda:0 and cpu! ({func})")


def check_mixing(call: Call) -> None:
    """Refuse tensors of main memory that meet those of the device, but for a scalar, for indices, and to be copied."""
    if not call.elsewhere or call.copies:
        return
    indices = set(map(id, call.indices))
    others = [tensor for tensor in call.elsewhere if id(tensor) not in indices]
    takes_scalars = torch.Tag.pointwise in call.func.tags or call.name in _SCALAR_TAKING
    room = _SCALARS_AT_ONCE.get(call.name, 1) if takes_scalars else 0
    written = call.func._schema.is_mutable and any(call.args[0] is tensor for tensor in others)
    if written or len(others) > room or any(tensor.ndim > 0 for tensor in others):
        raise MixedDevices(call.func)


def check_randomness(call: Call) -> None:
    """Refuse numbers that the device would draw: a seed means something else on each kind of device."""
    if torch.Tag.nondeterministic_seeded in call.func.tags and "dropout" not in call.name:
        raise RuntimeError(f"{call.func} draws on the device, where a seed means other numbers than on the CPU")


def waits(call: Call) -> bool:
    """Whether the program stands still until the device has done all that it was given, and this."""
    if call.copies:
        return _crosses(call) and not _crosses_late(call)
    if call.name in _INDEXING:
        strangers = {id(tensor) for tensor in call.elsewhere}
        sets_one = call.name != "aten::index" and call.args[2].numel() == 1  # as a fill under a mask
        counted = not sets_one and any(index.dtype in _MASKS for index in call.indices)
        return counted or any(id(index) in strangers for index in call.indices)
    tags = call.func.tags
    dependent = torch.Tag.data_dependent_output in tags or torch.Tag.dynamic_output_shape in tags
    return dependent or call.func is _aten.repeat_interleave.Tensor


def _crosses(call: Call) -> bool:
    onto = call.kwargs.get("device")
    return bool(call.elsewhere) or (onto is not None and onto.type == "cpu")


def _crosses_late(call: Call) -> bool:
    """Whether it is left to the device when a copy is made: pageable memory can't be, and must be copied at once."""
    if call.func is _aten.copy_.default:
        target, source, late = (*call.args, False)[:3]
    else:
        target, source, late = None, call.args[0], call.kwargs.get("non_blocking", False)
    host = target if isinstance(source, DeviceTensor) else source
    return bool(late) and (host is None or hasattr(host.untyped_storage(), "pinned"))
