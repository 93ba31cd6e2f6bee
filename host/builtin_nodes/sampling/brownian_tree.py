"""A virtual Brownian tree (Li et al. 2020, section 4): one path by a seed, wherever and in whatever order it is asked.

The path is halved until a level asked for is met; each half is drawn from a seed of its own. Seeds, rounding and the
order of operations are those of ``torchsde.BrownianTree``, so that the numbers are equal to the last bit.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_POOL = 24


class _Interval(NamedTuple):
    """A node of the tree: its ends, and its number among those of its depth."""

    start: float
    end: float
    depth: int
    number: int


@dataclass(frozen=True, eq=False)
class _Halves:
    """The increments of an interval's two halves."""

    midway: float
    left: Tensor
    right: Tensor


class BrownianTree:
    """Increments of one Brownian path between ``start`` and ``end``.

    What the last query went through is kept, because the next one begins where it ended.

    Args:
        shape: of the increments, which are float32 on the CPU.
        seed: of the path.
        digits: decimals to which levels are rounded.
    """

    def __init__(self, start: float, end: float, shape: Sequence[int], seed: int, digits: int) -> None:
        self._shape, self._seed, self._digits = tuple(shape), seed, digits
        self._root = _Interval(round(start, digits), round(end, digits), 0, 0)
        seeds = np.random.SeedSequence(entropy=seed, pool_size=_POOL).generate_state(1)
        self._whole = self._draw(int(seeds[0])) * math.sqrt(end - start)
        self._before: dict[_Interval, _Halves] = {}
        self._now: dict[_Interval, _Halves] = {}

    def __call__(self, start: float, end: float) -> Tensor:
        """The increment between two levels inside the tree's, the lower one first."""
        low, high = round(start, self._digits), round(end, self._digits)
        increments: list[Tensor] = []
        if low < high:
            self._cover(self._root, self._whole, low, high, increments)
        self._before, self._now = self._now, {}
        return functools.reduce(torch.add, increments) if increments else torch.zeros(self._shape)

    def _cover(self, interval: _Interval, increment: Tensor, low: float, high: float, found: list[Tensor]) -> None:
        """Add the increments of the intervals that make up ``low`` .. ``high``, from left to right."""
        if low == interval.start and high == interval.end:
            found.append(increment)
            return
        halves = self._halves(interval, increment)
        depth, number = interval.depth + 1, 2 * interval.number
        if low < halves.midway:
            left = _Interval(interval.start, halves.midway, depth, number)
            self._cover(left, halves.left, low, min(high, halves.midway), found)
        if high > halves.midway:
            right = _Interval(halves.midway, interval.end, depth, number + 1)
            self._cover(right, halves.right, max(low, halves.midway), high, found)

    def _halves(self, interval: _Interval, increment: Tensor) -> _Halves:
        found = self._before.get(interval)
        if found is None:
            found = self._halved(interval, increment)
        self._now[interval] = found
        return found

    def _halved(self, interval: _Interval, increment: Tensor) -> _Halves:
        """A Brownian bridge over the interval, met in the middle."""
        midway = round(0.5 * (interval.end + interval.start), self._digits)
        sequence = np.random.SeedSequence(
            entropy=self._seed, spawn_key=(interval.number, interval.depth), pool_size=_POOL
        )
        share = 1 / (interval.end - interval.start)
        before, after = midway - interval.start, interval.end - midway
        noise = self._draw(int(sequence.generate_state(1)[0]))
        left = (before * increment).mul_(share).add_(noise.mul_(math.sqrt(before * after * share)))
        return _Halves(midway, left, increment - left)

    def _draw(self, seed: int) -> Tensor:
        return torch.randn(self._shape, generator=torch.Generator().manual_seed(seed))
