"""A virtual Brownian tree (Li et al. 2020, section 4): one path by a seed, wherever and in whatever order it is asked.

The path is halved until a level asked for is met; each half is drawn from a seed of its own. Seeds, rounding and the
order of operations are those of ``torchsde.BrownianTree``, so that the numbers are equal to the last bit.

NumPy does the sums: it is quicker with arrays of a latent's size, and starts no threads where a tree is asked from one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from host.builtin_nodes.sampling.spawned_seeds import SpawnedSeeds

_POOL = 24

_Increment = NDArray[np.float32]


class _Interval(NamedTuple):
    """A node of the tree: its ends, and its number among those of its depth."""

    start: float
    end: float
    depth: int
    number: int


class _Halves(NamedTuple):
    """The increments of an interval's two halves."""

    midway: float
    left: _Increment
    right: _Increment


class BrownianTree:
    """Increments of one Brownian path between ``start`` and ``end``.

    What the last query went through is kept, because the next one begins where it ended.

    Args:
        shape: of the increments, which are float32 on the CPU.
        seed: of the path.
        digits: decimals to which levels are rounded.
    """

    def __init__(self, start: float, end: float, shape: Sequence[int], seed: int, digits: int) -> None:
        self._shape, self._digits = tuple(shape), digits
        self._generator = torch.Generator()
        self._root = _Interval(round(start, digits), round(end, digits), 0, 0)
        sequence = np.random.SeedSequence(entropy=seed, pool_size=_POOL)
        self._seeds = SpawnedSeeds(sequence)
        self._whole = self._draw(int(sequence.generate_state(1)[0]))
        self._whole *= math.sqrt(end - start)
        self._before: dict[tuple[int, int], _Halves] = {}
        self._now: dict[tuple[int, int], _Halves] = {}

    def __call__(self, start: float, end: float) -> Tensor:
        """The increment between two levels inside the tree's, the lower one first."""
        low, high = round(start, self._digits), round(end, self._digits)
        increments: list[_Increment] = []
        if low < high:
            self._cover(self._root, self._whole, low, high, increments)
        self._before, self._now = self._now, {}
        total = increments[0].copy() if increments else np.zeros(self._shape, np.float32)
        for increment in increments[1:]:
            total += increment
        return torch.from_numpy(total)

    def _cover(
        self, interval: _Interval, increment: _Increment, low: float, high: float, found: list[_Increment]
    ) -> None:
        """Add the increments of the intervals that make up ``low`` .. ``high``, from left to right."""
        if low == interval.start and high == interval.end:
            found.append(increment)
            return
        midway, left, right = self._halves(interval, increment)
        depth, number = interval.depth + 1, 2 * interval.number
        if low < midway:
            self._cover(_Interval(interval.start, midway, depth, number), left, low, min(high, midway), found)
        if high > midway:
            self._cover(_Interval(midway, interval.end, depth, number + 1), right, max(low, midway), high, found)

    def _halves(self, interval: _Interval, increment: _Increment) -> _Halves:
        place = interval.depth, interval.number
        found = self._before.get(place)
        if found is None:
            found = self._halved(interval, increment)
        self._now[place] = found
        return found

    def _halved(self, interval: _Interval, increment: _Increment) -> _Halves:
        """A Brownian bridge over the interval, met in the middle."""
        midway = round(0.5 * (interval.end + interval.start), self._digits)
        share = 1 / (interval.end - interval.start)
        before, after = midway - interval.start, interval.end - midway
        noise = self._draw(self._seeds(interval.number, interval.depth))
        noise *= math.sqrt(before * after * share)
        left = increment * before
        left *= share
        left += noise
        return _Halves(midway, left, np.subtract(increment, left, out=noise))

    def _draw(self, seed: int) -> _Increment:
        drawn: _Increment = torch.randn(self._shape, generator=self._generator.manual_seed(seed)).numpy()
        return drawn
