"""Images with holes, before they are encoded."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from host.builtin_nodes.images.windows import running_maximum

_GREY = 0.5


def resized_mask(mask: Tensor, images: Tensor) -> Tensor:
    """A mask [..., height, width] as [batch, 1, height, width], at the size of images [batch, height, ...]."""
    return interpolate(mask.reshape(-1, 1, *mask.shape[-2:]), size=tuple(images.shape[1:3]), mode="bilinear")


def cropped_to_cells(images: Tensor, mask: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    """Images [batch, height, width, channel] and their mask [batch, 1, height, width], cut around the middle so that
    both sides are multiples of ``cell`` pixels."""
    height, width = images.shape[1:3]
    top, left = height % cell // 2, width % cell // 2
    rows, columns = slice(top, top + height // cell * cell), slice(left, left + width // cell * cell)
    return images[:, rows, columns], mask[:, :, rows, columns]


def with_grey_hole(images: Tensor, mask: Tensor) -> Tensor:
    """Images whose colours are middle grey where the mask rounds to 1."""
    kept = (1.0 - mask.round()).movedim(1, -1)
    colours = (images[..., :3] - _GREY) * kept + _GREY
    return torch.cat((colours, images[..., 3:].expand(len(colours), -1, -1, -1)), dim=-1)


def grown_hole(mask: Tensor, pixels: int) -> Tensor:
    """The rounded mask [batch, 1, height, width] with every hole larger by ``pixels`` in width and height."""
    hard = mask.round()
    if pixels == 0:
        return hard
    before, after = pixels // 2, pixels - pixels // 2 - 1
    return running_maximum(running_maximum(hard, before, after, -1), before, after, -2)
