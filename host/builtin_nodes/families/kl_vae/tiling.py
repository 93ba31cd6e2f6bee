"""Runs a function over overlapping tiles of an image and blends what it gives."""

# ruff: noqa: TID253 - imported when a VAE runs, never on the start-up path
from __future__ import annotations

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor


def run_tiled(
    function: Callable[[Tensor], Tensor], x: Tensor, *, tile: int, overlap: int, scale: float, channels: int
) -> Tensor:
    """``function(x)``, computed in tiles: the mean of three passes with square, wide and tall tiles.

    Seams of one pass lie inside the tiles of another, so none shows.

    Args:
        function: maps [1, channel, height, width] to [1, channels, height * scale, width * scale].
        x: [batch, channel, height, width].
        tile: side of a square tile, in cells of ``x``.
        overlap: cells that neighbouring tiles share; their results fade into each other there.
        scale: cells of the result for one of ``x``, along each side.
        channels: of the result.
    """
    sizes = [(tile, tile), (tile // 2, tile * 2), (tile * 2, tile // 2)]
    passes = [
        torch.cat([_blended(function, image[None], size, overlap, scale, channels) for image in x]) for size in sizes
    ]
    return torch.stack(passes).mean(dim=0)


def _blended(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    size: tuple[int, int],
    overlap: int,
    scale: float,
    channels: int,
) -> Tensor:
    height, width = x.shape[-2:]
    total = torch.zeros(1, channels, round(height * scale), round(width * scale))
    weight = torch.zeros(1, 1, *total.shape[-2:])
    for (top, tall), (left, wide) in product(_spans(height, size[0], overlap), _spans(width, size[1], overlap)):
        result = function(x[:, :, top : top + tall, left : left + wide]).to(total)
        fade = _fade(result.shape[-2], round(overlap * scale))[:, None] * _fade(
            result.shape[-1], round(overlap * scale)
        )
        rows = slice(round(top * scale), round(top * scale) + result.shape[-2])
        columns = slice(round(left * scale), round(left * scale) + result.shape[-1])
        total[..., rows, columns] += result * fade
        weight[..., rows, columns] += fade
    return total / weight


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """(start, length) of tiles along a side; the last ones may be shorter."""
    if length <= tile:
        return [(0, length)]
    starts = range(0, length - overlap, tile - overlap)
    return [(start, min(tile, length - start)) for start in starts]


def _fade(length: int, feather: int) -> Tensor:
    """Weights along a side of a tile: rising over the first ``feather`` cells, falling over the last."""
    weights = torch.ones(length)
    if feather < length:
        ramp = torch.arange(1, feather + 1) / feather if feather else weights[:0]
        weights[:feather] *= ramp
        weights[length - feather :] *= ramp.flip(0)
    return weights
