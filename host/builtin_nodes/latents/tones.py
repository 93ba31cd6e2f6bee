"""Sharpening and tone mapping of latents; the length of a cell's vector plays the part of brightness."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path

from __future__ import annotations

from torch import Tensor

from host.builtin_nodes.images import filters
from sdk import NodeError

_DEVIATIONS = 5
"""Standard deviations above the mean length that still keep their contrast."""


def reinhard(latent: Tensor, multiplier: float) -> Tensor:
    """A latent [batch, channel, height, width] with long cells shortened (Reinhard et al. 2002, eq. 3).

    The length that maps to a half of itself is ``multiplier`` times the mean plus 5 standard deviations.
    """
    if latent.ndim != 4:
        raise NodeError(f"A latent of shape {list(latent.shape)} is no picture, and tone mapping works on pictures.")
    lengths = latent.norm(dim=1, keepdim=True) + 1e-10
    directions = latent / lengths
    mean = lengths.mean(dim=(1, 2, 3), keepdim=True)
    top = (lengths.std(dim=(1, 2, 3), keepdim=True) * _DEVIATIONS + mean) * multiplier
    relative = lengths / top
    return directions * (relative / (relative + 1.0)) * top


def sharpened(latent: Tensor, radius: int, sigma: float, strength: float) -> Tensor:
    """A latent [batch, channel, height, width] whose cells' directions are sharpened, their lengths kept."""
    lengths = latent.norm(dim=1, keepdim=True) + 1e-6
    return filters.sharpened(latent / lengths, radius, sigma, strength) * lengths
