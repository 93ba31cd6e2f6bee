"""Runs a function over overlapping tiles of an image and blends what it gives."""

# ruff: noqa: TID253 - imported when a VAE runs, never on the start-up path
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

Spans = tuple[tuple[int, int], ...]
"""(start, length) of each tile along a side."""


def run_tiled(
    function: Callable[[Tensor], Tensor], x: Tensor, *, tile: int, overlap: int, scale: float, channels: int
) -> Tensor:
    """``function(x)``, computed in tiles: the mean of three passes with square, wide and tall tiles.

    Seams of one pass lie inside the tiles of another, so none shows. Passes with the same tiles are one, so that what
    fits into the smallest tile is exactly ``function(x)``. Beside the result there is room for that of one image more.

    Args:
        function: maps [1, channel, height, width] to [1, channels, height * scale, width * scale].
        x: [batch, channel, height, width].
        tile: side of a square tile, in cells of ``x``.
        overlap: cells that neighbouring tiles share; their results fade into each other there.
        scale: cells of the result for one of ``x``, along each side.
        channels: of the result.
    """
    height, width = x.shape[-2:]
    sizes = [(tile, tile), (tile // 2, tile * 2), (tile * 2, tile // 2)]
    grids = Counter((_spans(height, tall, overlap), _spans(width, wide, overlap)) for tall, wide in sizes)
    mean = torch.zeros(len(x), channels, round(height * scale), round(width * scale))
    for image, made in zip(x, mean.split(1), strict=True):
        for (rows, columns), passes in grids.items():
            made.add_(_blended(function, image[None], rows, columns, overlap, made), alpha=passes / len(sizes))
    return mean


def _blended(
    function: Callable[[Tensor], Tensor], x: Tensor, rows: Spans, columns: Spans, overlap: int, like: Tensor
) -> Tensor:
    if len(rows) == len(columns) == 1:
        return function(x).to(like)
    scale = like.shape[-1] / x.shape[-1]
    feather = round(overlap * scale)
    total, weight = torch.zeros_like(like), like.new_zeros(1, 1, *like.shape[-2:])
    for (top, tall), (left, wide) in product(rows, columns):
        result = function(x[:, :, top : top + tall, left : left + wide]).to(like)
        fade = _fade(result.shape[-2], feather)[:, None] * _fade(result.shape[-1], feather)
        place = _slice(top, scale, result.shape[-2]), _slice(left, scale, result.shape[-1])
        total[..., *place] += result * fade
        weight[..., *place] += fade
    return total.div_(weight)


def _slice(start: int, scale: float, length: int) -> slice:
    first = round(start * scale)
    return slice(first, first + length)


def _spans(length: int, tile: int, overlap: int) -> Spans:
    """(start, length) of tiles along a side; the last ones may be shorter."""
    if length <= tile:
        return ((0, length),)
    starts = range(0, length - overlap, tile - overlap)
    return tuple((start, min(tile, length - start)) for start in starts)


def _fade(length: int, feather: int) -> Tensor:
    """Weights along a side of a tile: rising over the first ``feather`` cells, falling over the last."""
    weights = torch.ones(length)
    if feather < length:
        ramp = torch.arange(1, feather + 1) / feather if feather else weights[:0]
        weights[:feather] *= ramp
        weights[length - feather :] *= ramp.flip(0)
    return weights
