"""Two pictures as one."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from host.builtin_nodes.images.scaling import scale_images

_ROWS, _COLUMNS = 1, 2


def stitch(
    first: Tensor, second: Tensor, direction: str, *, matched: bool, gap: int, colour: tuple[float, float, float]
) -> Tensor:
    """Pictures [batch, height, width, channel] side by side.

    Args:
        direction: side of the first picture where the second one goes: "right", "down", "left" or "up".
        matched: resize the second picture to the first one's side; otherwise the smaller one is centred.
        gap: pixels of ``colour`` between them. Where it is a grey, margins have it too; others are black.
    """
    along = _COLUMNS if direction in ("left", "right") else _ROWS
    count = max(len(first), len(second))
    first, second = _last_repeated(first, count), _last_repeated(second, count)
    if matched:
        second = _matched(second, first, along)
    else:
        across = _ROWS + _COLUMNS - along
        length = max(first.shape[across], second.shape[across])
        margin = colour[0] if len(set(colour)) == 1 else 0.0
        first, second = (_centred(image, length, across, margin) for image in (first, second))
    channels = max(first.shape[-1], second.shape[-1])
    pieces = [_with_channels(image, channels) for image in (first, second)]
    if direction in ("left", "up"):
        pieces.reverse()
    if gap:
        pieces.insert(1, _spacing(pieces[0], along, gap, colour))
    return torch.cat(pieces, dim=along)


def _last_repeated(image: Tensor, count: int) -> Tensor:
    return torch.cat([image, image[-1:].expand(count - len(image), -1, -1, -1)])


def _matched(image: Tensor, other: Tensor, along: int) -> Tensor:
    proportion = image.shape[_COLUMNS] / image.shape[_ROWS]
    height, width = other.shape[_ROWS], other.shape[_COLUMNS]
    if along == _COLUMNS:
        width = max(1, int(height * proportion))
    else:
        height = max(1, int(width / proportion))
    return scale_images(image, width, height, "lanczos")


def _centred(image: Tensor, length: int, dimension: int, margin: float) -> Tensor:
    missing = length - image.shape[dimension]
    margins = (missing // 2, missing - missing // 2)
    return pad(image, (0, 0, 0, 0, *margins) if dimension == _ROWS else (0, 0, *margins), value=margin)


def _with_channels(image: Tensor, channels: int) -> Tensor:
    """With opaque alpha where a channel is missing."""
    return pad(image, (0, channels - image.shape[-1]), value=1.0)


def _spacing(image: Tensor, along: int, gap: int, colour: tuple[float, float, float]) -> Tensor:
    shape = list(image.shape)
    shape[along] = gap
    channels = (*colour, *[1.0] * shape[-1])[: shape[-1]]
    return image.new_tensor(channels).expand(shape)
