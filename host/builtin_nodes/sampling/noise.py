"""Random streams. All are drawn on the CPU in float32, so that a seed means the same on every device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from host.builtin_nodes.sampling.ahead import Ahead
from host.builtin_nodes.sampling.brownian_tree import BrownianTree
from host.builtin_nodes.sampling.uploads import upload


def generator(seed: int) -> torch.Generator:
    """A CPU generator; seeds count modulo 2^64."""
    return torch.Generator().manual_seed(seed % 2**64)


def start_noise(shape: Sequence[int], source: torch.Generator, batch_index: Sequence[int] | None = None) -> Tensor:
    """Unit noise of ``shape`` on the CPU.

    With ``batch_index`` every batch element is drawn on its own and the wanted ones are kept, in the order asked for,
    so that element i of a large batch can be made again alone.
    """
    if batch_index is None:
        return torch.randn(tuple(shape), generator=source)
    singles = [torch.randn((1, *shape[1:]), generator=source) for _ in range(max(batch_index) + 1)]
    return torch.cat([singles[index] for index in batch_index])


class GaussianNoise:
    """Independent unit noise like ``like`` at every call."""

    def __init__(self, like: Tensor, source: torch.Generator) -> None:
        self._like = like
        self._source = source

    @property
    def seed(self) -> int:
        """What the stream began with."""
        return self._source.initial_seed()

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        return self.shaped(self._like)

    def shaped(self, like: Tensor) -> Tensor:
        """The next draw in another shape."""
        return upload(torch.randn(like.shape, generator=self._source).to(like.dtype), like.device)


def step_noise(like: Tensor, seed: int) -> GaussianNoise:
    """A stream of its own with the run's seed: its first draw equals the start noise of a whole batch."""
    return GaussianNoise(like, generator(seed))


def continued_noise(like: Tensor, seed: int, batch_index: Sequence[int] | None = None) -> GaussianNoise:
    """The stream of the start noise (see there for ``batch_index``), from where that left it."""
    source = generator(seed)
    start_noise(like.shape, source, batch_index)
    return GaussianNoise(like, source)


def mask_noise(like: Tensor, seed: int) -> Tensor:
    """Unit noise for the kept area of samplers that draw their own."""
    return upload(torch.randn(like.shape, generator=generator(seed + 1)).to(like.dtype), like.device)


class BrownianNoise:
    """Increments of one Brownian path in sigma, scaled to unit variance.

    The same seed gives (up to resolution) the same path whatever levels are asked for (Li et al. 2020, section 4).
    Levels outside ``sigma_min`` .. ``sigma_max`` count as the nearest of these.
    """

    _DIGITS = 6
    _BYTES_AHEAD = 64 * 2**20

    def __init__(self, like: Tensor, seed: int, sigma_min: float, sigma_max: float) -> None:
        self._like = like
        # The tree rounds its ends so, and knows nothing beyond them.
        self._low, self._high = (round(end, self._DIGITS) for end in (sigma_min, sigma_max))
        self._tree = BrownianTree(sigma_min, sigma_max, like.shape, seed, self._DIGITS)
        self._drawn = Ahead(self._draw, max(2, self._BYTES_AHEAD // max(1, 4 * like.numel())))

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        return upload(self._drawn((sigma, sigma_next)).to(self._like.dtype), self._like.device)

    def foresee(self, ways: Iterable[tuple[float, float]]) -> None:
        """Draw for these pairs of levels, which will be asked for in this order, while the model computes."""
        self._drawn.foretell(ways)

    def close(self) -> None:
        """Stop drawing for what was foreseen."""
        self._drawn.close()

    def _draw(self, way: tuple[float, float]) -> Tensor:
        low, high = sorted(way)
        increment = self._tree(*(min(max(level, self._low), self._high) for level in (low, high)))
        sign = 1.0 if way[0] < way[1] else -1.0
        return increment.mul_(sign / math.sqrt(high - low))
