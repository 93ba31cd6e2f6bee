"""3x3 convolutions with 2.25 or 4 times fewer multiplications: Lavin & Gray 2016 (arXiv:1509.09308).

Each 2x2 or 4x4 piece of the output is computed from a 4x4 or 6x6 tile of the input. Tiles and filters are transformed
(equation 12: ``Y = A'[(G g G') * (B' d B)]A``), so that the product becomes 16 or 36 ordinary matrix products over the
channels. In float32 the result of small pieces is as near to the exact one as oneDNN's direct convolution within a
factor of three, that of large ones within ten.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.computing.winograd_tiling import LARGE, SMALL, Tiling

LEAST_TILES = {LARGE: 128, SMALL: 32}
"""Below, reading the transformed filter, which is 4 or 16/9 as large, takes longer than fewer multiplications save."""

LEAST_CHANNELS = 320
"""Below, on either side, transforming the tiles takes longer than that."""

MOST_PAIRS_OF_CHANNELS = 1280 * 960
"""Larger filters are never transformed for large pieces, which takes 4 times their memory: networks have dozens of
them for small maps, and a run at one size and then a larger one would hold them for pieces of both kinds."""

TILES_AT_A_TIME = 128
"""Enough for a product of matrices to be fast; they should stay in a cache and be no burden to main memory."""


def choose_tiling(x: Tensor, filter_shape: Sequence[int]) -> Tiling | None:
    """The fastest tiling for an input [batch, channel, height, width] and a filter [out, in, 3, 3]; None if none pays.

    The convolution must have padding 1, stride 1, dilation 1 and one group. Whether there is memory for the transformed
    filter plays no part, so that results are the same with or without.
    """
    if tuple(filter_shape[2:]) != (3, 3) or min(filter_shape[:2]) < LEAST_CHANNELS:
        return None
    small_enough = filter_shape[0] * filter_shape[1] <= MOST_PAIRS_OF_CHANNELS
    if small_enough and _count_tiles(x, LARGE) >= LEAST_TILES[LARGE]:
        return LARGE
    return SMALL if _count_tiles(x, SMALL) >= LEAST_TILES[SMALL] else None


def _count_tiles(x: Tensor, tiling: Tiling) -> int:
    batch, _, height, width = x.shape
    return batch * -(-height // tiling.outputs) * -(-width // tiling.outputs)


def transform_filter(weight: Tensor, tiling: Tiling) -> Tensor:
    """``G g G'`` of a float32 filter [out, in, 3, 3]: a matrix [in, out] for each number of a tile."""
    outputs, inputs = weight.shape[:2]
    flat = weight.permute(2, 3, 1, 0).reshape(-1, inputs * outputs)
    return torch.mm(tiling.of_filter, flat).view(tiling.products, inputs, outputs)


def convolve(
    x: Tensor, matrices: Tensor, bias: Tensor | None, tiling: Tiling, tiles_at_a_time: int = TILES_AT_A_TIME
) -> Tensor:
    """The convolution of ``x`` [batch, channel, height, width] with padding 1, in the memory order of ``x``.

    Args:
        matrices: from ``transform_filter``.
        tiles_at_a_time: about so many are worked on, at least a row.
    """
    batch, _, height, width = x.shape
    side, outputs = tiling.outputs, matrices.shape[2]
    down, across = -(-height // side), -(-width // side)
    result = x.new_empty(batch, down * side, across * side, outputs)
    strips = max(1, round(batch * down * across / tiles_at_a_time))
    rows, pixels = -(-down // strips), x.permute(0, 2, 3, 1)
    for first in range(0, down, rows):
        top, bottom = side * first, side * min(first + rows, down)
        products = torch.bmm(_transformed_tiles(_strip(pixels, top, bottom, across, tiling), tiling), matrices)
        _combine(products, bias, tiling, result[:, top:bottom])
    if (height, width) != (down * side, across * side):
        result = result[:, :height, :width].contiguous()
    in_order = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    return result.permute(0, 3, 1, 2).contiguous(memory_format=in_order)


def _strip(pixels: Tensor, top: int, bottom: int, across: int, tiling: Tiling) -> Tensor:
    """Rows [batch, row, column, channel] of the picture with what is around them; zeros outside of the picture."""
    batch, height, width, channels = pixels.shape
    strip = pixels.new_empty(batch, bottom - top + 2, across * tiling.outputs + 2, channels)
    first, last = max(top - 1, 0), min(bottom + 1, height)
    above, below = first - top + 1, last - top + 1
    strip[:, above:below, 1 : width + 1] = pixels[:, first:last]
    for outside in (strip[:, :above], strip[:, below:], strip[:, :, :1], strip[:, :, width + 1 :]):
        outside.zero_()
    return strip


def _transformed_tiles(strip: Tensor, tiling: Tiling) -> Tensor:
    """``B' d B`` of all overlapping tiles [number in a tile, tile, channel]."""
    tiles = strip.unfold(1, tiling.inputs, tiling.outputs).unfold(2, tiling.inputs, tiling.outputs)
    numbers = tiles.permute(4, 5, 0, 1, 2, 3).reshape(tiling.products, -1)
    return torch.mm(tiling.of_tiles, numbers).view(tiling.products, -1, strip.shape[3])


def _combine(products: Tensor, bias: Tensor | None, tiling: Tiling, strip: Tensor) -> None:
    """``A' m A``, into the strip of the result [batch, row, column, channel]."""
    batch, height, width, channels = strip.shape
    side = tiling.outputs
    pieces = strip.view(batch, height // side, side, width // side, side, channels).permute(2, 4, 0, 1, 3, 5)
    numbers = torch.mm(tiling.of_products, products.view(tiling.products, -1)).view(pieces.shape)
    if bias is None:
        pieces.copy_(numbers)
    else:
        torch.add(numbers, bias, out=pieces)
