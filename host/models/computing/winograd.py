"""3x3 convolutions with 2.25 times fewer multiplications: F(2x2, 3x3) of Lavin & Gray 2016 (arXiv:1509.09308).

Each 2x2 piece of the output is computed from a 4x4 tile of the input. Tiles and filters are transformed (equation 12:
``Y = A'[(G g G') * (B' d B)]A``), so that the product becomes 16 ordinary matrix products over the channels. In float32
the result is at least as near to the exact one as oneDNN's direct convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

PRODUCTS = 16
"""Matrix products that one convolution becomes: the numbers in a tile."""

LEAST_TILES = 32
"""Below, reading the transformed filter, which is 16/9 as large, takes longer than its fewer multiplications save."""

LEAST_CHANNELS = 320
"""Below, on either side, transforming the tiles takes longer than that."""

STRIP_BYTES = 1 << 24
"""Transformed tiles that are worked on at a time: they should stay in a cache and be no burden to main memory."""

_G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def suits(x: Tensor, filter_shape: Sequence[int]) -> bool:
    """Whether it pays for an input [batch, channel, height, width] and a filter [out, in, 3, 3].

    The convolution must have padding 1, stride 1, dilation 1 and one group.
    """
    batch, _, height, width = x.shape
    tiles = batch * ((height + 1) // 2) * ((width + 1) // 2)
    return tuple(filter_shape[2:]) == (3, 3) and min(filter_shape[:2]) >= LEAST_CHANNELS and tiles >= LEAST_TILES


def transform_filter(weight: Tensor) -> tuple[Tensor, ...]:
    """``G g G'`` of a float32 filter [out, in, 3, 3]: 16 matrices [out, in], packed for oneDNN's matrix products."""
    outputs, inputs = weight.shape[:2]
    one_side = torch.tensor(_G, dtype=torch.float64)
    both_sides = torch.kron(one_side, one_side).float()
    matrices = torch.mm(both_sides, weight.reshape(outputs * inputs, 9).t()).view(PRODUCTS, outputs, inputs)
    return tuple(torch.ops.mkldnn._reorder_linear_weight(matrix) for matrix in matrices)


def transformed_bytes(filter_shape: Sequence[int]) -> int:
    """What a transformed filter takes."""
    return PRODUCTS * filter_shape[0] * filter_shape[1] * torch.float32.itemsize


def convolve(
    x: Tensor, matrices: Sequence[Tensor], bias: Tensor | None, outputs: int, strip_bytes: int = STRIP_BYTES
) -> Tensor:
    """The convolution of ``x`` [batch, channel, height, width] with padding 1, in the memory order of ``x``.

    Args:
        matrices: from ``transform_filter``.
        outputs: how many channels come out.
        strip_bytes: transformed tiles that are worked on at a time, at least a row.
    """
    batch, channels, height, width = x.shape
    down, across = (height + 1) // 2, (width + 1) // 2
    padded = x.new_zeros(batch, 2 * down + 2, 2 * across + 2, channels)
    padded[:, 1 : height + 1, 1 : width + 1].copy_(x.permute(0, 2, 3, 1))
    result = x.new_empty(batch, 2 * down, 2 * across, outputs)
    row_bytes = PRODUCTS * batch * across * max(channels, outputs) * x.itemsize
    rows = max(1, strip_bytes // row_bytes)
    for top in range(0, down, rows):
        bottom = min(top + rows, down)
        tiles = _transformed_tiles(padded[:, 2 * top : 2 * bottom + 2])
        flat = tiles.view(PRODUCTS, -1, channels)
        products = [_product(flat[number], matrix, bias, number) for number, matrix in enumerate(matrices)]
        _combine(products, result[:, 2 * top : 2 * bottom])
    if (height, width) != (2 * down, 2 * across):
        result = result[:, :height, :width].contiguous()
    in_order = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    return result.permute(0, 3, 1, 2).contiguous(memory_format=in_order)


def _product(tiles: Tensor, matrix: Tensor, bias: Tensor | None, number: int) -> Tensor:
    # The product of the second row and column goes into all four outputs once, each time with a plus.
    added = bias if number == 5 else None
    return torch.ops.mkldnn._linear_pointwise(tiles, matrix, added, "none", [], "")  # type: ignore[no-any-return]


def _transformed_tiles(padded: Tensor) -> Tensor:
    """``B' d B`` of all overlapping tiles [4, 4, batch, down, across, channel]."""
    batch, height, width, channels = padded.shape
    down, across = height // 2 - 1, width // 2 - 1
    rows = padded.new_empty(4, batch, down, width, channels)
    _differences(_every_second(padded, 1, down), list(rows))
    tiles = padded.new_empty(4, 4, batch, down, across, channels)
    _differences(_every_second(rows, 3, across), list(tiles.unbind(1)))
    return tiles


def _every_second(tensor: Tensor, dim: int, count: int) -> list[Tensor]:
    """The four numbers that each tile has along a dimension."""
    return [
        tensor.narrow(dim, start, 2 * count - 1)[(slice(None),) * dim + (slice(None, None, 2),)] for start in range(4)
    ]


def _differences(parts: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """``B'`` along one dimension."""
    torch.sub(parts[0], parts[2], out=out[0])
    torch.add(parts[1], parts[2], out=out[1])
    torch.sub(parts[2], parts[1], out=out[2])
    torch.sub(parts[1], parts[3], out=out[3])


def _combine(products: Sequence[Tensor], result: Tensor) -> None:
    """``A' m A``, into the strip of the result [batch, 2 * down, 2 * across, channel]."""
    batch, height, width, channels = result.shape
    upper, lower = [], []
    for column in range(4):
        first, second, third, fourth = (products[4 * row + column] for row in range(4))
        upper.append(torch.add(first, second).add_(third))
        lower.append(torch.sub(second, third).sub_(fourth))
    for number, sums in enumerate((upper, lower)):
        first, second, third, fourth = (each.view(batch, height // 2, width // 2, channels) for each in sums)
        row = result[:, number::2]
        torch.add(first, second, out=row[:, :, 0::2]).add_(third)
        torch.sub(second, third, out=row[:, :, 1::2]).sub_(fourth)
