"""Matrices of Winograd's method for 3x3 convolutions, from the points its polynomials are evaluated at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

TAPS = 3
"""Numbers of a filter along one side."""


@dataclass(frozen=True)
class Tiling:
    """F(m x m, 3 x 3): pieces of m x m outputs, each from a tile of (m + 2) x (m + 2) inputs.

    Both dimensions are transformed at once, by Kronecker products of the matrices for one (Lavin & Gray 2016,
    arXiv:1509.09308, equation 12; the matrices by the Toom-Cook construction, Barabasz et al. 2018, arXiv:1803.10986,
    section 2): each transformation is a product of matrices, too. All are float32.

    Attributes:
        points: m + 1 different numbers; infinity is the last one of any tiling.
    """

    points: tuple[float, ...]

    @property
    def outputs(self) -> int:
        """m."""
        return len(self.points) - TAPS + 2

    @property
    def inputs(self) -> int:
        """m + 2."""
        return len(self.points) + 1

    @property
    def products(self) -> int:
        """Numbers in a tile: matrix products that a convolution becomes."""
        return self.inputs**2

    @cached_property
    def of_filter(self) -> Tensor:
        """``G``: [products, 9]."""
        rows = [[point**power / self._spread(number) for power in range(TAPS)] for number, point in self._numbered]
        return _both_sides([*rows, _last(TAPS)])

    @cached_property
    def of_tiles(self) -> Tensor:
        """``B'``: [products, products]."""
        others = [self.points[:number] + self.points[number + 1 :] for number, _ in self._numbered]
        return _both_sides([*([*_with_roots(roots), 0.0] for roots in others), _with_roots(self.points)])

    @cached_property
    def of_products(self) -> Tensor:
        """``A'``: [m * m, products]."""
        columns = [*([point**power for power in range(self.outputs)] for point in self.points), _last(self.outputs)]
        return _both_sides(list(zip(*columns, strict=True)))

    @property
    def _numbered(self) -> list[tuple[int, float]]:
        return list(enumerate(self.points))

    def _spread(self, number: int) -> float:
        return math.prod(self.points[number] - other for index, other in self._numbered if index != number)


def _last(length: int) -> list[float]:
    """What a polynomial is at infinity: its highest coefficient."""
    return [0.0] * (length - 1) + [1.0]


def _with_roots(roots: Sequence[float]) -> list[float]:
    """Coefficients of the polynomial with these roots, the constant first."""
    coefficients = [1.0]
    for root in roots:
        coefficients = [low - root * high for low, high in zip([0.0, *coefficients], [*coefficients, 0.0], strict=True)]
    return coefficients


def _both_sides(one_side: Sequence[Sequence[float]]) -> Tensor:
    with torch.inference_mode(False):
        matrix = torch.tensor(one_side, dtype=torch.float64)
        return torch.kron(matrix, matrix).float()


SMALL = Tiling((0.0, 1.0, -1.0))
"""F(2x2, 3x3): 2.25 times fewer multiplications than the direct convolution."""

LARGE = Tiling((0.0, 0.5**0.5, -(0.5**0.5), 2.0**0.5, -(2.0**0.5)))
"""F(4x4, 3x3): 4 times fewer. These points are nearer to the exact result than 0, 1, -1, 2, -2: off by half as much in
the mean and by a fifth at the worst, for sums over 320 channels."""
