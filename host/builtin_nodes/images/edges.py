"""Edge detection."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import conv2d, pad

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_TINY = 1e-6  # keeps the root's slope finite, and flat areas above no threshold
_DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""Neighbours (down, right), one for each eighth of a turn of the gradient."""

_EIGHT_NEIGHBOURS = np.pad(np.ones((1, 1, 3, 3), bool), ((1, 1), (1, 1), (0, 0), (0, 0)))
"""Cells that touch, for ``ndimage.label``: within a channel of a picture."""


def canny(images: Tensor, low: float, high: float) -> Tensor:
    """Edges [batch, 1, height, width], 0 or 1, of pictures [batch, 3, height, width].

    Canny, "A Computational Approach to Edge Detection", 1986: a Gaussian of 5 × 5 and width 1, Sobel gradients,
    thinning across the edge, two thresholds joined by connection.

    Raises:
        ValueError: the thresholds are not in order.
    """
    if low > high:
        raise ValueError(f"the low threshold {low} is above the high threshold {high}: swap them")
    down, right = _gradients(_smoothed(_grey(images)))
    strength = (down**2 + right**2 + _TINY).sqrt()
    thin = strength * _is_ridge(strength, torch.atan2(down, right))
    return _connected(thin > low, thin > high).to(images)


def _grey(images: Tensor) -> Tensor:
    return (images * images.new_tensor(_LUMA)[:, None, None]).sum(dim=1, keepdim=True)


def _smoothed(grey: Tensor) -> Tensor:
    offsets = torch.arange(-2, 3, device=grey.device, dtype=grey.dtype)
    line = torch.exp(-(offsets**2) / 2)
    line = line / line.sum()
    wide = conv2d(pad(grey, (2, 2, 2, 2), mode="reflect"), line.view(1, 1, 1, 5))
    return conv2d(wide, line.view(1, 1, 5, 1))


def _gradients(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Changes downwards and to the right, by Sobel's kernels."""
    sobel = grey.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    found = conv2d(pad(grey, (1, 1, 1, 1), mode="replicate"), torch.stack([sobel.T, sobel])[:, None])
    return found[:, :1], found[:, 1:]


def _is_ridge(strength: Tensor, angle: Tensor) -> Tensor:
    """Where the strength is above that of both neighbours across the edge; outside the picture it is 0."""
    height, width = strength.shape[-2:]
    padded = pad(strength, (1, 1, 1, 1))
    neighbours = [padded[..., 1 + d : 1 + d + height, 1 + r : 1 + r + width] for d, r in _DIRECTIONS]
    above = strength > torch.cat(neighbours, dim=1)
    eighth = (angle * (180.0 / math.pi) / 45.0).round().long() % 8
    return above.gather(1, eighth) & above.gather(1, (eighth + 4) % 8)


def _connected(weak: Tensor, strong: Tensor) -> Tensor:
    """The strong cells, and the weak ones that a chain of weak cells links to one."""
    edges, chosen = ((weak | strong).numpy(force=True), strong.numpy(force=True))
    labels, count = ndimage.label(edges, _EIGHT_NEIGHBOURS)
    kept = np.zeros(count + 1, bool)
    kept[labels[chosen]] = True
    return torch.from_numpy(kept[labels]).to(strong.device)
