"""The predictions of a model for several prompts, in as few evaluations as their shapes allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from host.builtin_nodes.sampling.entries import Area, Entry
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.rules import NO_PATCHES, NetworkPatches

_RAMP = 8
"""Cells over which the weight of an area rises from its edge, unless a quarter of it is less."""

_NOTHING = 1e-37
"""Weight that keeps places nobody covers from being 0 / 0: there the prediction is 0."""


class DenoisingModel(Protocol):
    """A network together with how it sees noise."""

    @property
    def parametrisation(self) -> Parametrisation: ...

    @property
    def device(self) -> torch.device: ...

    def predict(
        self, x: Tensor, sigma: Tensor, entries: Sequence[Entry], patches: NetworkPatches = NO_PATCHES
    ) -> Tensor:
        """Estimates of the clean latent, in one evaluation of the network.

        ``x`` is [entries * batch, ...]: all of the first entry's batch, then the second's; ``sigma`` [entries * batch]
        is in main memory. Entries that come together have the same area and shapes.
        """


def predict_sides(
    model: DenoisingModel,
    x: Tensor,
    sigma: float | Tensor,
    sides: Mapping[str, Sequence[Entry]],
    patches: NetworkPatches = NO_PATCHES,
) -> dict[str, Tensor]:
    """The prediction of each side: the mean of its entries', weighted by strength, mask and area.

    Places that no entry covers are 0.
    """
    level = torch.as_tensor(sigma, dtype=torch.float32, device="cpu").expand(x.shape[0])
    weighted = _weighted(sides, x, float(level[0]))
    means = {side: _Mean(x) for side in sides}
    for group in _batches(weighted):
        seen = _crop(x, group[0].entry.area)
        entries = [item.entry for item in group]
        output = model.predict(torch.cat([seen] * len(group)), level.repeat(len(group)), entries, patches)
        for item, prediction in zip(group, output.chunk(len(group)), strict=True):
            means[item.entry.side].add(prediction, item.weight, item.entry.area)
    return {side: mean.value() for side, mean in means.items()}


@dataclass(frozen=True, eq=False)
class _Weighted:
    """An entry with its weight: one for all cells, or a tensor over its area."""

    entry: Entry
    weight: float | Tensor


class _Mean:
    """A weighted mean over predictions for parts of a latent."""

    def __init__(self, like: Tensor) -> None:
        self._total = torch.zeros_like(like)
        self._weight: float | Tensor = _NOTHING

    def add(self, prediction: Tensor, weight: float | Tensor, area: Area | None) -> None:
        _crop(self._total, area).add_(prediction * weight)
        if area is None:
            self._weight = self._weight + weight
        else:
            whole = torch.zeros_like(self._total)
            _crop(whole, area).add_(weight)
            self._weight = self._weight + whole

    def value(self) -> Tensor:
        return self._total / self._weight


def _weighted(sides: Mapping[str, Sequence[Entry]], x: Tensor, sigma: float) -> list[_Weighted]:
    """The entries of all sides that count at a level, in order; default ones fill what their side leaves."""
    used = [entry for entries in sides.values() for entry in entries if entry.used_at(sigma)]
    weighted = [_Weighted(entry, _weight(entry, x)) for entry in used if not entry.default]
    left: dict[str, float | Tensor] = {}
    for entry in used:
        if entry.default and entry.side not in left:
            left[entry.side] = _left(entry.side, weighted, x)
    for entry in used:
        rest = left.get(entry.side)
        if entry.default and isinstance(rest, Tensor) and bool(rest.any()):
            weighted.append(_Weighted(entry, _crop(rest, entry.area)))
    return weighted


def _weight(entry: Entry, x: Tensor) -> float | Tensor:
    if entry.mask is not None:
        mask = entry.mask[: len(x)]
        # Add the channel, then repeat the batch as often as it takes.
        mask = mask[:, None].repeat(len(x) // len(mask), x.shape[1], *[1] * (mask.ndim - 1))
        return _crop(mask, entry.area) * entry.strength
    if entry.area is None:
        return entry.strength
    return _ramped(torch.ones_like(_crop(x, entry.area)), entry.area, x.shape[2:]) * entry.strength


def _ramped(weight: Tensor, area: Area, dimensions: Sequence[int]) -> Tensor:
    """Falls off towards those edges of the area that are not edges of the latent."""
    half = len(area) // 2
    for axis, (size, start, whole) in enumerate(zip(area[:half], area[half:], dimensions, strict=True)):
        length = min(_RAMP, size // 4)
        factors = torch.ones(size, dtype=weight.dtype, device=weight.device)
        rising = torch.arange(1, length + 1, device=weight.device) / length if length else factors[:0]
        if start != 0:
            factors[:length] *= rising
        if start + size < whole:
            factors[size - length :] *= rising.flip(0)
        weight = weight * factors.reshape(-1, *[1] * (half - axis - 1))
    return weight


def _left(side: str, weighted: Sequence[_Weighted], x: Tensor) -> Tensor:
    """What the entries of a side leave of a weight of 1 everywhere."""
    left = torch.ones_like(x)
    for item in weighted:
        if item.entry.side == side:
            _crop(left, item.entry.area).sub_(item.weight)
    return left.clamp(min=0)


def _crop(x: Tensor, area: Area | None) -> Tensor:
    """A view of the area of ``x`` [batch, channel, …]."""
    return x if area is None else x[(..., *area_slices(area))]


def area_slices(area: Area) -> tuple[slice, ...]:
    """The area as an index into the last dimensions of a latent."""
    half = len(area) // 2
    return tuple(slice(start, start + size) for size, start in zip(area[:half], area[half:], strict=True))


def _batches(weighted: Sequence[_Weighted]) -> list[list[_Weighted]]:
    """Entries grouped so that each group can share an evaluation."""
    groups: dict[object, list[_Weighted]] = {}
    for item in weighted:
        groups.setdefault(_shared(item.entry), []).append(item)
    return list(groups.values())


def _shared(entry: Entry) -> object:
    """What entries of one evaluation must have in common: what they look at, and the shapes of their tensors."""
    looked_at = ("area", "mask")
    shapes = {
        name: value.shape
        for name, value in entry.options.items()
        if isinstance(value, Tensor) and name not in looked_at
    }
    return entry.area, id(entry.control), id(entry.boxes), entry.tensor.shape, tuple(sorted(shapes.items()))
