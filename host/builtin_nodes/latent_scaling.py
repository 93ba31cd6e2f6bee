"""Resizing of latents, also along the sphere on which their cells lie."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

import torch
from torch import Tensor

from host.builtin_nodes.images.scaling import centre_crop, scale

_PARALLEL = 1 - 1e-5


def scale_latent(samples: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """Samples [batch, channel, height, width] at another size, counted in cells.

    Args:
        method: as for images, or "bislerp".
        crop: "center" first cuts the middle out at the wanted proportions; "disabled" distorts.
    """
    if method != "bislerp":
        return scale(samples, width, height, method, crop)
    if crop == "center":
        samples = centre_crop(samples, width, height)
    return bislerp(samples, width, height)


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Samples resized by spherical interpolation of neighbouring cells, along the width and then along the height.

    The direction of a cell's channel vector is interpolated on the sphere, its length linearly.
    """
    wide = _along_last(samples.float(), width)
    tall = _along_last(wide.transpose(-1, -2), height).transpose(-1, -2)
    return tall.to(samples.dtype)


def _along_last(samples: Tensor, length: int) -> Tensor:
    old = samples.shape[-1]
    centres = (torch.arange(length, device=samples.device) + 0.5) * (old / length) - 0.5
    place = centres.clamp(0, old - 1)
    left = place.floor().long()
    right = (left + 1).clamp(max=old - 1)
    return _slerp(samples[..., left], samples[..., right], place - left)


def _slerp(one: Tensor, other: Tensor, ratio: Tensor) -> Tensor:
    """Between two fields of vectors along dimension 1; ``ratio`` 0..1 broadcasts against their last dimension."""
    lengths = [vectors.norm(dim=1, keepdim=True) for vectors in (one, other)]
    first, second = (
        torch.where(length > 0, vectors / length, 0.0) for vectors, length in zip((one, other), lengths, strict=True)
    )
    cosine = (first * second).sum(dim=1, keepdim=True)
    angle = cosine.clamp(-1, 1).acos()
    direction = (((1 - ratio) * angle).sin() * first + (ratio * angle).sin() * second) / angle.sin()
    curved = direction * (lengths[0] * (1 - ratio) + lengths[1] * ratio)
    straight = one * (1 - ratio) + other * ratio
    # Where the arc is degenerate its formula divides by zero.
    return torch.where(cosine > _PARALLEL, one, torch.where(cosine < -_PARALLEL, straight, curved))
