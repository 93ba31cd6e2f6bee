"""Weights with their patches, one by one, for those who merge or save them: on the CPU, none before it is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.loading import Slot, seen
from host.models.opening import OpenedFile
from host.models.patches import PatchNames, Step, patched
from sdk.models import Part, StoredPart

_CPU = torch.device("cpu")

Plan = Mapping[str, Sequence[Step]]


class PatchedWeights:
    """Implements ``sdk.models.PartWeights``."""

    def __init__(
        self, originals: Mapping[str, Callable[[], Tensor]], steps: Plan, names: Callable[[], PatchNames]
    ) -> None:
        self._originals, self._steps, self._names = originals, steps, names

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {name: tuple(original().shape) for name, original in self._originals.items()}

    @property
    def aliases(self) -> PatchNames:
        return self._names()

    def __getitem__(self, name: str) -> Tensor:
        return _with_patches(name, self._originals[name](), self._steps.get(name, ()))


class _Lazy(Mapping[str, Tensor]):
    """Tensors by key, each made when it is looked up."""

    def __init__(self, keys: Sequence[str], make: Callable[[str], Tensor]) -> None:
        self._keys, self._make = dict.fromkeys(keys), make

    def __getitem__(self, key: str) -> Tensor:
        if key not in self._keys:
            raise KeyError(key)
        return self._make(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def stored_part(opened: OpenedFile, part: Part, slots: Sequence[Slot], steps: Plan) -> StoredPart:
    """A part's tensors as its file holds them, with what the steps change."""
    parts_of: dict[str, list[Slot]] = defaultdict(list)
    for slot in slots:
        parts_of[slot.source.key].append(slot)

    def make(key: str) -> Tensor:
        tensor = opened.file.tensor(key)
        changed = [slot for slot in parts_of[key] if slot.names[0] in steps]
        if not changed:
            return tensor
        result = tensor.clone()
        for slot in changed:
            _write(result, slot, _with_patches(slot.names[0], _seen(tensor, slot), steps[slot.names[0]]))
        return result

    header = opened.file.header
    own = [key for key in header.tensors if key in parts_of or key in part.passed_over]
    taken = frozenset().union(*(_keys(other) for other in opened.parts.values()))
    loose = [key for key in header.tensors if key not in taken]
    return StoredPart(header, _Lazy(own, make), _Lazy(loose, opened.file.tensor))


def _keys(part: Part) -> frozenset[str]:
    return frozenset(source.key for source in part.weights.values()) | part.passed_over


def _with_patches(name: str, original: Tensor, steps: Sequence[Step]) -> Tensor:
    if not steps:
        return original
    with torch.inference_mode(False), torch.no_grad():
        return patched(name, original, steps, _CPU)


def _seen(tensor: Tensor, slot: Slot) -> Tensor:
    view = seen(tensor, slot.source)
    assert view is not None, "loading has checked every source"
    return view


def _write(tensor: Tensor, slot: Slot, value: Tensor) -> None:
    """Put a weight where it comes from in the file's tensor."""
    region = seen(tensor, replace(slot.source, reshape=None))
    assert region is not None, "loading has checked every source"
    region.copy_(value.reshape(region.shape))
