"""Conditioning entries, placed: the area, mask, strength and range of levels of each prompt.

Conditioning is a list of ``[tensor, options]`` pairs. An area is given in latent cells, sizes first and then starts
(height, width, y, x), or as shares of the latent after the word "percentage".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from host.builtin_nodes.sampling.errors import AreaOutside, UnsupportedConditioning
from host.builtin_nodes.sampling.parametrisation import Parametrisation

Conditioning = Sequence[Sequence[Any]]
Area = tuple[int, ...]
"""Size along each spatial dimension, then the first cell along each."""

_UNSUPPORTED = frozenset({"gligen", "hooks"})
BOXES = "boxes at work"
"""Option of an entry: what makes the network look at boxes, ready for a run."""

_SMALLEST_BOUNDS = 8
"""The bounds of a mask are at least so many cells long."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One conditioning entry: the prompt's tensor and further options, and where and when it counts.

    Attributes:
        side: whose prediction it belongs to: "positive", "negative" …
        area: the part of the latent it is about; None for all.
        mask: weights [1 or batch, …] over the whole latent; None where every cell counts the same.
        strength: its weight among the entries of its side.
        highest, lowest: the levels between which it is used, both included.
        default: it fills what the other entries of its side leave.
    """

    tensor: Tensor
    options: Mapping[str, Any]
    side: str
    area: Area | None = None
    mask: Tensor | None = None
    strength: float = 1.0
    highest: float = math.inf
    lowest: float = 0.0
    default: bool = False

    @property
    def boxes(self) -> Any:
        """What makes the network look at boxes, or None."""
        return self.options.get(BOXES)

    @property
    def control(self) -> Any:
        """What computes the residuals of control networks for it, or None."""
        return self.options.get("control")

    def used_at(self, sigma: float) -> bool:
        """Whether the entry counts at that level."""
        return self.lowest <= sigma <= self.highest


def place_entries(
    sides: Mapping[str, Conditioning], like: Tensor, parametrisation: Parametrisation
) -> dict[str, list[Entry]]:
    """The entries of each side for latents of the shape of ``like``.

    An entry with an area on one side gets a counterpart of the same area on the others, with their own prompt.

    Raises:
        UnsupportedConditioning: an entry carries options that can't be followed.
        AreaOutside: an entry's area lies beyond the latent.
    """
    refuse_unsupported(sides)
    placed = {
        side: [_place(pair[0], pair[1], side, like, parametrisation) for pair in conditioning]
        for side, conditioning in sides.items()
    }
    for side in sides:
        # A counterpart that is added to a side later in the order is looked at there, too.
        for entry in placed[side]:
            for other in sides:
                if other != side and entry.area is not None:
                    placed[other] += _counterpart(entry, entry.area, placed[other])
    _spread(placed, "control", only="control_apply_to_uncond")
    _spread(placed, BOXES)
    dimensions = tuple(like.shape[2:])
    return {side: [_cut(entry, dimensions) for entry in entries] for side, entries in placed.items()}


def refuse_unsupported(sides: Mapping[str, Conditioning]) -> None:
    """Raise UnsupportedConditioning if an entry asks for what sampling can't do."""
    names = {name for conditioning in sides.values() for _, options in conditioning for name in options}
    if unsupported := names & _UNSUPPORTED:
        raise UnsupportedConditioning(unsupported)


def _place(
    tensor: Tensor, options: Mapping[str, Any], side: str, like: Tensor, parametrisation: Parametrisation
) -> Entry:
    dimensions = tuple(like.shape[2:])
    area = _area(options.get("area"), dimensions)
    mask = options.get("mask")
    if mask is not None:
        mask = _fitted(mask.to(like), dimensions)
        if options.get("set_area_to_bounds", False):
            area = _bounds(mask)
        mask = mask * options.get("mask_strength", 1.0)
    start, end = options.get("start_percent"), options.get("end_percent")
    return Entry(
        tensor,
        options,
        side,
        area=area,
        mask=mask,
        strength=options.get("strength", 1.0),
        highest=math.inf if start is None else _level(parametrisation.percent_to_sigma(start)),
        lowest=0.0 if end is None else _level(parametrisation.percent_to_sigma(end)),
        default=bool(options.get("default", False)),
    )


def _level(sigma: float) -> float:
    """In the precision of the levels it is compared with."""
    return float(torch.tensor(sigma, dtype=torch.float32))


def _area(given: Sequence[Any] | None, dimensions: Sequence[int]) -> Area | None:
    """In cells, along each of the dimensions; an area of a picture is that of every frame of a video."""
    if given is None:
        return None
    if given[0] != "percentage":
        half, count = len(given) // 2, len(dimensions)
        return (*_padded(given[:half][-count:], dimensions), *_padded(given[half:][-count:], [0] * count))
    shares = given[1:]
    half = len(shares) // 2
    sizes = _padded(shares[:half], [1.0] * len(dimensions))
    starts = _padded(shares[half:], [0.0] * len(dimensions))
    # A stretch of a video is read from its front where the latent is a picture.
    wide = (max(1, round(share * side)) for share, side in zip(sizes, dimensions, strict=False))
    first = (round(share * side) for share, side in zip(starts, dimensions, strict=False))
    return (*wide, *first)


def _padded(values: Sequence[Any], whole: Sequence[Any]) -> tuple[Any, ...]:
    """The values with those of ``whole`` for the dimensions before theirs."""
    return (*whole[: max(0, len(whole) - len(values))], *values)


def _cut(entry: Entry, dimensions: tuple[int, ...]) -> Entry:
    """The entry with its area cut at the border of the latent."""
    if entry.area is None:
        return entry
    starts = entry.area[len(entry.area) // 2 :]
    sizes = [min(side - start, size) for size, start, side in zip(entry.area, starts, dimensions, strict=False)]
    if min(sizes) < 1:
        raise AreaOutside(entry.area, dimensions)
    return replace(entry, area=(*sizes, *starts))


def _fitted(mask: Tensor, dimensions: tuple[int, ...]) -> Tensor:
    """A mask as [1 or batch, *dimensions]."""
    if mask.ndim == len(dimensions):
        mask = mask[None]
    if tuple(mask.shape[1:]) == dimensions:
        return mask
    resized = interpolate(mask.reshape(-1, 1, *mask.shape[-2:]), size=dimensions[-2:], mode="bilinear")[:, 0]
    between = [1] * (len(dimensions) - 2)
    return resized.reshape(len(resized), *between, *dimensions[-2:]).expand(len(resized), *dimensions)


def _bounds(mask: Tensor) -> Area:
    """The box around what a mask [batch, …] covers; the first corner for an empty one."""
    covered = torch.nonzero(mask.abs().amax(dim=0))
    if len(covered) == 0:
        return (*[_SMALLEST_BOUNDS] * covered.shape[1], *[0] * covered.shape[1])
    starts, ends = covered.amin(0).tolist(), covered.amax(0).tolist()
    sizes = (max(_SMALLEST_BOUNDS, end - start + 1) for start, end in zip(starts, ends, strict=True))
    return (*sizes, *starts)


def _counterpart(entry: Entry, area: Area, others: Sequence[Entry]) -> list[Entry]:
    """What another side gets beside ``others``: its tightest prompt around the area, moved there."""
    around = [other for other in others if other.area is None or _contains(other.area, area)]
    if not around:
        return []
    tightest = min(around, key=lambda other: math.inf if other.area is None else _size(other.area))
    if tightest.area == area:
        return []
    control = {} if entry.control is None else {"control": entry.control}
    options = {name: value for name, value in tightest.options.items() if name != "control"}
    return [replace(entry, tensor=tightest.tensor, options={**options, **control}, side=tightest.side)]


def _contains(outer: Area, inner: Area) -> bool:
    half = len(inner) // 2
    return all(
        inner[half + i] >= outer[half + i] and inner[i] + inner[half + i] <= outer[i] + outer[half + i]
        for i in range(half)
    )


def _size(area: Area) -> int:
    return math.prod(area[: len(area) // 2])


def _spread(placed: dict[str, list[Entry]], option: str, only: str | None = None) -> None:
    """Give the other sides the positive side's option if they have none; ``only`` from entries with that mark."""
    wanted = [
        entry.options[option]
        for entry in placed.get("positive", ())
        if entry.area is None and entry.options.get(option) is not None and (not only or entry.options.get(only, False))
    ]
    for side, entries in placed.items():
        free = [index for index, entry in enumerate(entries) if entry.area is None]
        if side == "positive" or not free or any(entries[index].options.get(option) is not None for index in free):
            continue
        for index, value in zip(free, wanted, strict=False):
            entries[index] = replace(entries[index], options={**entries[index].options, option: value})
