"""Builds the module of a part without its weights, and checks that the file has them all.

Nothing is allocated, initialised or read: what fits what is decided by the file's header alone.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, cast

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor, nn  # noqa: TID253
from torch.overrides import TorchFunctionMode  # noqa: TID253

from host.models.collector import without_collections
from host.models.computing.stand_in import StandIn
from host.models.errors import WeightsMismatch, some
from host.models.files.weights import TORCH_DTYPES, stored_as
from sdk.models import Header, Part, TensorSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slot:
    """A weight of a module.

    Attributes:
        names: what it goes by; several where the module ties weights.
        source: where it comes from.
        shape: of the module's weight.
        stored: the dtype in the file.
    """

    names: tuple[str, ...]
    source: TensorSource
    shape: torch.Size
    stored: torch.dtype

    def bytes_in(self, dtype: torch.dtype) -> int:
        """What it takes in that dtype."""
        return self.shape.numel() * dtype.itemsize


@dataclass(frozen=True)
class Assembled:
    """A module whose weights are blank: of the right shape, without memory behind them.

    Attributes:
        slots: where each weight comes from, in the file's order.
        fixed: names of buffers that the module computed itself and that no file holds.
    """

    module: nn.Module
    slots: Sequence[Slot]
    fixed: Sequence[str]


class _WithoutWeights(TorchFunctionMode):
    """Puts on the meta device whatever is random or not yet filled, as weights are; computed buffers stay real."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _FILLING:
            filled = args[0] if args else kwargs["tensor"]
            if filled.is_meta:
                return filled  # torch would go a long way to do nothing
        if func in _UNFILLED and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


_UNFILLED = frozenset({torch.empty, torch.empty_strided, torch.rand, torch.randn, torch.randint, torch.normal})
_FILLING = frozenset(
    {
        *(Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_),
        *(nn.init.normal_, nn.init.uniform_, nn.init.constant_, nn.init.kaiming_uniform_),
    }
)


def assemble(part: Part, header: Header, used_elsewhere: AbstractSet[str] = frozenset()) -> Assembled:
    """The part's module with blank weights.

    ``used_elsewhere`` are the file's keys that other parts use. Raises WeightsMismatch, which names all that doesn't
    fit; tensors of the file that nothing uses are logged.
    """
    with torch.inference_mode(False), torch.no_grad():
        with _WithoutWeights(), without_collections():
            module: nn.Module = part.build()
        module.eval().requires_grad_(False)
        named = dict(_named_tensors(module))
        sources, unmapped = _sources(module, part.weights)
        slots, missing, mismatched = _slots(named, sources, header)
        mapped = {name for names in sources for name in names}
        fixed = [name for name in named if name not in mapped and name not in unmapped]
        unmapped += [f"{name} (has no value after building)" for name in fixed if named[name].is_meta]
        unknown = sorted(part.weights.keys() - named.keys())
        unexpected = _unexpected(part, header, used_elsewhere, fixed)
        if missing or mismatched or unmapped or unknown:
            faults = {"missing": missing, "mismatched": mismatched, "unmapped": unmapped, "unknown": unknown}
            raise WeightsMismatch(header.path, part.name, **faults, unexpected=unexpected)
        for slot in slots:
            put(module, slot.names, blank(slot))
    if unexpected:
        count, names = len(unexpected), some(unexpected)
        logger.warning("%s: %d tensors are not used by its %s: %s", header.path, count, part.name, names)
    return Assembled(module, slots, fixed)


def blank(slot: Slot) -> Tensor:
    """A tensor of the weight's shape that takes no memory; it may not be written to."""
    return torch.zeros((), dtype=slot.stored).expand(slot.shape)


def seen(tensor: Tensor, source: TensorSource) -> Tensor | None:
    """The tensor as a source describes it, without a copy where its strides allow; None where it can't be had."""
    try:
        if source.transpose:
            tensor = tensor.transpose(0, 1)
        if source.narrow is not None:
            tensor = tensor.narrow(*source.narrow)
        return tensor if source.reshape is None else tensor.reshape(source.reshape)
    except (RuntimeError, IndexError):
        return None


def _shape_seen(shape: tuple[int, ...], source: TensorSource) -> tuple[int, ...] | None:
    """The shape of a tensor as a source describes it; None where it can't be had."""
    if source == TensorSource(source.key):
        return shape
    view = seen(torch.empty(shape, device="meta"), source)
    return None if view is None else tuple(view.shape)


def stored_dtype(part: Part, header: Header) -> torch.dtype:
    """The floating-point dtype in which most of a part's bytes are stored; float32 where there are none."""
    sizes: Counter[torch.dtype] = Counter()
    for source in part.weights.values():
        info = header.tensors.get(source.key)
        dtype = None if info is None else TORCH_DTYPES.get(info.dtype)
        if info is not None and dtype is not None and dtype.is_floating_point:
            sizes[dtype] += math.prod(info.shape) * dtype.itemsize
    return sizes.most_common(1)[0][0] if sizes else torch.float32


def put(module: nn.Module, names: Sequence[str], tensor: Tensor) -> None:
    """Give a weight of a module another tensor: of any dtype, on any device, under all names it goes by.

    A parameter object that is already real is kept, so that what refers to it stays right; one that stands in for a
    weight is not.
    """
    parameter: nn.Parameter | None = None
    for name in names:
        parent, leaf = owner(module, name)
        old = parent._parameters.get(leaf)
        if old is None:
            parent._buffers[leaf] = tensor
        elif old.is_meta or isinstance(old, StandIn) or isinstance(tensor, StandIn):
            parameter = parameter if parameter is not None else _as_parameter(tensor)
            parent._parameters[leaf] = parameter
        else:
            old.data = tensor


def _as_parameter(tensor: Tensor) -> nn.Parameter:
    if isinstance(tensor, StandIn):
        return cast(nn.Parameter, tensor)  # it says so itself
    return nn.Parameter(tensor, requires_grad=False)


def weight(module: nn.Module, name: str) -> Tensor:
    """A module's parameter or buffer by its dotted name."""
    parent, leaf = owner(module, name)
    found = parent._parameters.get(leaf, parent._buffers.get(leaf))
    if found is None:
        raise KeyError(name)
    return found.detach()


def owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that has a weight itself, and what it calls it; raises KeyError where there is no such module."""
    *path, leaf = name.split(".")
    for part in path:  # torch's own ``get_submodule`` takes a fifth of the time that loading takes
        module = cast(nn.Module, module._modules[part])
    return module, leaf


def _named_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def _sources(
    module: nn.Module, weights: Mapping[str, TensorSource]
) -> tuple[dict[tuple[str, ...], TensorSource], list[str]]:
    """Sources by all names a weight goes by, and the names of those weights that have none."""
    aliases: dict[int, list[str]] = {}
    for name, tensor in _named_tensors(module):
        aliases.setdefault(id(tensor), []).append(name)
    kept = set(module.state_dict(keep_vars=True))
    sources, unmapped = {}, []
    for names in aliases.values():
        given = [weights[name] for name in names if name in weights]
        if given:
            sources[tuple(names)] = given[0]
        elif kept.intersection(names):
            unmapped.append(names[0])
    return sources, unmapped


def _slots(
    named: Mapping[str, Tensor], sources: Mapping[tuple[str, ...], TensorSource], header: Header
) -> tuple[list[Slot], list[str], list[str]]:
    """The weights that the file has as they should be, in its order; those it lacks; those of another shape."""
    slots, missing, mismatched = [], [], []
    for names, source in sources.items():
        info, wanted = header.tensors.get(source.key), named[names[0]].shape
        if info is None:
            missing.append(f"{names[0]} (from {source.key})")
            continue
        stored = stored_as(header, source.key)
        if _shape_seen(info.shape, source) != wanted:
            mismatched.append(f"{names[0]} {list(wanted)} (from {source.key} {list(info.shape)})")
        else:
            slots.append(Slot(names, source, wanted, stored))
    order = {key: place for place, key in enumerate(header.tensors)}
    return sorted(slots, key=lambda slot: order[slot.source.key]), missing, mismatched


def _unexpected(part: Part, header: Header, used_elsewhere: AbstractSet[str], computed: Sequence[str]) -> list[str]:
    """Keys below the part's prefix that nothing uses; older files also hold what modules now compute themselves."""
    used = {source.key for source in part.weights.values()}
    prefix = _common_prefix(used)
    used |= part.passed_over
    others = (key for key in header.tensors if key not in used and key not in used_elsewhere)
    return sorted(key for key in others if key.startswith(prefix) and not key.endswith(tuple(computed)))


def _common_prefix(keys: AbstractSet[str]) -> str:
    """The longest dotted prefix of all keys, with its dot: what lies between the first and the last in order does."""
    prefix = ""
    for one, other in zip(min(keys, default="").split(".")[:-1], max(keys, default="").split(".")[:-1], strict=False):
        if one != other:
            break
        prefix += f"{one}."
    return prefix
