"""Changes weights by deltas: W' = W0 + sum of strength x delta, always computed from the untouched W0.

So every change can be undone exactly, and a changed strength costs only the layers it touches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.computing.low_rank import AddLowRank, add_low_rank
from host.models.errors import PatchMismatch
from host.models.loading import seen
from sdk.models import Delta, PatchFormat, PatchSet, PatchTarget, Stacked, TensorSource

PatchNames = Mapping[str, PatchTarget]
Originals = Callable[[str], Tensor]

_ROWS = re.compile(r"(?P<weight>.+)\[(?:(?P<dimension>\d+),\s*)?(?P<start>\d+):(?P<stop>\d+)\]")


@dataclass(frozen=True)
class Step:
    """One delta of one patch set on a weight, or on the rows of a fused weight that ``source`` narrows it to."""

    patch: str
    delta: Delta
    strength: float
    source: TensorSource | None = None

    @property
    def key(self) -> tuple[str, float]:
        return self.patch, self.strength


@dataclass(frozen=True)
class _Through:
    """A delta for a weight as a source describes it: transposed, narrowed, reshaped."""

    delta: Delta
    source: TensorSource

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        result = weight.clone()
        region = _region(result, replace(self.source, reshape=None))
        changed = self.delta.apply(_region(weight, self.source), _region(original, self.source), strength)
        region.copy_(changed.reshape(region.shape))
        return result


@dataclass(frozen=True)
class _Several:
    """Deltas that one file has for one weight, of different formats."""

    deltas: tuple[Delta, ...]

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        changed: Tensor = weight
        for delta in self.deltas:
            changed = delta.apply(changed, original, strength)
        return changed


@dataclass(frozen=True)
class _Rows:
    """A delta for several weights stacked, as it is for one of them.

    The others count as zero, which is exact unless the delta mixes them: ``rows_together`` of a delta says how many
    neighbouring rows it does (1 if it doesn't say), 0 for all. For one that mixes rows of several weights, what it adds
    is computed from the originals of all.

    Attributes:
        start: of the weight's rows among all.
        stacked: all of the weights.
        original_of: a weight by the module's name for it, as the file has it; None where the others can't be had.
    """

    delta: Delta
    start: int
    stacked: Stacked
    original_of: Originals | None

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        together = getattr(self.delta, "rows_together", 1)
        if not together or self.start % together or weight.shape[0] % together:
            return weight + self._difference(weight, strength)
        changed: Tensor = self.delta.apply(self._stacked(weight), self._stacked(original), strength)
        return changed.narrow(0, self.start, weight.shape[0]).clone()

    def _difference(self, weight: Tensor, strength: float) -> Tensor:
        if self.original_of is None:
            raise RuntimeError("it mixes rows of a weight that this module keeps in several, and can't be applied here")
        rows = [_region(self.original_of(source.key), source) for source in self.stacked.sources]
        whole = torch.cat([each.to(weight.device).to(torch.float32) for each in rows])
        changed: Tensor = self.delta.apply(whole.clone(), whole, strength)
        return (changed - whole).narrow(0, self.start, weight.shape[0])

    def _stacked(self, rows: Tensor) -> Tensor:
        whole = rows.new_zeros(sum(self.stacked.lengths), *rows.shape[1:])
        whole.narrow(0, self.start, rows.shape[0]).copy_(rows)
        return whole


def read_deltas(
    formats: Iterable[PatchFormat],
    tensors: Mapping[str, Tensor],
    names: PatchNames,
    original_of: Originals | None = None,
) -> tuple[dict[str, Delta], list[str]]:
    """The deltas for a part's weights in a file, and the file's keys that no format could use.

    A format may name a delta's weight as ``names`` does, by the module's name, or by it and its rows
    (``to_qkv.weight[0:320]``, or ``[1, 0:320]`` for another dimension). ``original_of`` gives a weight as the file has
    it, by the module's name, for changes that mix the rows of several.
    """
    deltas: dict[str, Delta] = {}
    used: set[str] = set()
    for format_ in formats:
        found, keys = format_.read(tensors, names)
        used |= keys
        for name, delta in found.items():
            for target, whole in _targets(names.get(name, name), delta, original_of):
                deltas[target] = _Several((deltas[target], whole)) if target in deltas else whole
    return deltas, sorted(tensors.keys() - used)


def row_name(weight: str, dimension: int, start: int, length: int) -> str:
    """How a patch set calls the rows of a fused weight: ``to_qkv.weight[0:320]``."""
    return f"{weight}[{f'{dimension}, ' if dimension else ''}{start}:{start + length}]"


def _targets(target: PatchTarget, delta: Delta, original_of: Originals | None) -> Iterator[tuple[str, Delta]]:
    if not isinstance(target, Stacked):
        yield _target(target, delta)
        return
    start = 0
    for source, length in zip(target.sources, target.lengths, strict=True):
        rows = getattr(delta, "rows", None)
        part = _Rows(delta, start, target, original_of) if rows is None else rows(start, length)
        yield _target(source, part)
        start += length


def _target(target: str | TensorSource, delta: Delta) -> tuple[str, Delta]:
    if isinstance(target, str):
        return target, delta
    if target.transpose or target.reshape is not None:
        return target.key, _Through(delta, target)
    return target.key if target.narrow is None else row_name(target.key, *target.narrow), delta


def plan(
    patches: Sequence[tuple[PatchSet, float]], canonical: Callable[[str], str | None]
) -> dict[str, tuple[Step, ...]]:
    """What is to be done to each weight, in order; strength zero does nothing.

    ``canonical`` gives the module's own name for a weight, None for one it doesn't have: PatchMismatch.
    """
    steps: dict[str, tuple[Step, ...]] = {}
    for patch, strength in patches:
        if strength == 0:
            continue
        for target, delta in patch.deltas.items():
            step, weight = Step(patch.key, delta, strength), target
            if rows := _ROWS.fullmatch(target):
                weight, start = rows["weight"], int(rows["start"])
                narrow = (int(rows["dimension"] or 0), start, int(rows["stop"]) - start)
                step = replace(step, source=TensorSource(weight, narrow=narrow))
            name = canonical(weight)
            if name is None:
                raise PatchMismatch(patch.key, weight, "the module has no such weight")
            steps[name] = (*steps.get(name, ()), step)
    return steps


def patched(
    name: str,
    original: Tensor,
    steps: Sequence[Step],
    device: torch.device,
    out: Tensor | None = None,
    add: AddLowRank = add_low_rank,
) -> Tensor:
    """The weight in float32 on the device after all steps; ``original`` is left alone.

    ``out`` is room for it: a contiguous float32 tensor of its shape, apart from ``original``. It is filled, with part
    of the steps where one fails, and given back, unless a delta gives a tensor of its own. ``add`` is what adds deltas
    of low rank.

    Raises PatchMismatch for a delta of another shape.
    """
    base = original.to(device)
    room = torch.empty(base.shape, dtype=torch.float32, device=device) if out is None else out
    weight = base if base.dtype == torch.float32 else room.copy_(base)
    for step in steps:
        delta = step.delta if step.source is None else _Through(step.delta, step.source)
        try:
            weight = _after(delta, weight, base, step.strength, room, add)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, IndexError) as error:
            raise PatchMismatch(step.patch, name, str(error).split("\n", 1)[0]) from error
        if weight.shape != base.shape or weight.dtype != torch.float32:
            raise PatchMismatch(
                step.patch, name, f"it gives {weight.dtype} {list(weight.shape)} for {list(base.shape)}"
            )
    return weight


def _after(delta: Delta, weight: Tensor, base: Tensor, strength: float, room: Tensor, add: AddLowRank) -> Tensor:
    """The weight after a delta, in ``room`` where the delta is of low rank."""
    factors = getattr(delta, "factors", None)
    if factors is not None:
        up, down, scale = factors(weight)
        add(room.view(len(up), -1), weight.reshape(len(up), -1), up, down, strength * scale)
        return room
    if weight is base:  # which is the file, and deltas of any pack are given the weight
        weight = room.copy_(base)
    changed: Tensor = delta.apply(weight, base.to(torch.float32), strength)
    return changed


def _region(tensor: Tensor, source: TensorSource) -> Tensor:
    region = seen(tensor, source)
    if region is None:
        raise IndexError(f"{source} lies outside a weight of shape {list(tensor.shape)}")
    return region
