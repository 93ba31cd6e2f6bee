"""Applies a function to a large tensor tile by tile, with tiles that fade into each other where they overlap."""

# ruff: noqa: TID253 - imported when a pack first asks for it
from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Amounts = int | float | Sequence[int | float]


def get_tiled_scale_steps(width: int, height: int, tile_x: int, tile_y: int, overlap: int) -> int:
    """How many tiles ``tiled_scale`` makes of a picture of that size."""
    return math.prod(len(_spans(size, tile, overlap)) for size, tile in ((height, tile_y), (width, tile_x)))


def tiled_scale(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile_x: int = 64,
    tile_y: int = 64,
    overlap: int = 8,
    upscale_amount: float = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    pbar: Any = None,
) -> Tensor:
    """``function`` applied to samples [batch, channel, height, width] in tiles; see ``tiled_scale_multidim``."""
    return tiled_scale_multidim(
        samples, function, (tile_y, tile_x), overlap, upscale_amount, out_channels, output_device, pbar=pbar
    )


@torch.no_grad()
def tiled_scale_multidim(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile: Sequence[int] = (64, 64),
    overlap: Amounts = 8,
    upscale_amount: Amounts = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    downscale: bool = False,
    index_formulas: Any = None,
    pbar: Any = None,
) -> Tensor:
    """What ``function`` makes of each tile, put together: [batch, out_channels, …] in float32 on ``output_device``.

    Args:
        tile: length of a tile along each dimension behind the channels.
        overlap: what neighbours share, in all dimensions or in each.
        upscale_amount: how much longer the function's result is, in all dimensions or in each.
        downscale: it is so much shorter instead.
        pbar: a progress bar to be advanced with each tile.

    Raises:
        NotImplementedError: ``index_formulas`` are given.
    """
    if index_formulas is not None:
        raise NotImplementedError("tiled_scale_multidim here takes no index_formulas")
    overlaps, ratios = _each(overlap, len(tile)), [float(ratio) for ratio in _each(upscale_amount, len(tile))]
    ratios = [1 / ratio for ratio in ratios] if downscale else ratios
    size = [round(length * ratio) for length, ratio in zip(samples.shape[2:], ratios, strict=True)]
    whole = torch.empty(len(samples), out_channels, *size, device=output_device)
    for index in range(len(samples)):
        item = samples[index : index + 1]
        whole[index : index + 1] = _one(item, function, tile, overlaps, ratios, whole[index : index + 1], pbar)
    return whole


def _one(
    item: Tensor,
    function: Callable[[Tensor], Tensor],
    tile: Sequence[int],
    overlaps: Sequence[int | float],
    ratios: Sequence[float],
    like: Tensor,
    pbar: Any,
) -> Tensor:
    total, weights = torch.zeros_like(like), torch.zeros_like(like)
    along = zip(item.shape[2:], tile, overlaps, strict=True)
    for spans in itertools.product(*(_spans(length, wanted, int(overlap)) for length, wanted, overlap in along)):
        made = function(item[_box(spans)]).to(like)
        mask = torch.ones_like(made)
        for dimension, (overlap, ratio) in enumerate(zip(overlaps, ratios, strict=True), start=2):
            _fade(mask, dimension, round(overlap * ratio))
        places = [round(start * ratio) for (start, _), ratio in zip(spans, ratios, strict=True)]
        at = _box(list(zip(places, made.shape[2:], strict=True)))
        total[at] += made * mask
        weights[at] += mask
        if pbar is not None:
            pbar.update(1)
    return total / weights


def _box(spans: Sequence[tuple[int, int]]) -> Any:
    """The index of all that lies in these stretches of the last dimensions."""
    return (..., *(slice(start, start + length) for start, length in spans))


def _fade(mask: Tensor, dimension: int, feather: int) -> None:
    """Let a mask rise from both ends of a dimension, where it is long enough for that."""
    length = mask.shape[dimension]
    if not 0 < feather < length:
        return
    ramp = (torch.arange(1, feather + 1, device=mask.device) / feather).reshape(-1, *[1] * (mask.ndim - dimension - 1))
    mask.narrow(dimension, 0, feather).mul_(ramp)
    mask.narrow(dimension, length - feather, feather).mul_(ramp.flip(0))


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Start and length of the tiles along a dimension; the last ones may be shorter."""
    if length <= tile:
        return [(0, length)]
    return [(start, min(tile, length - start)) for start in range(0, length - overlap, tile - overlap)]


def _each(amounts: Amounts, count: int) -> list[int | float]:
    return [amounts] * count if isinstance(amounts, int | float) else list(amounts)
