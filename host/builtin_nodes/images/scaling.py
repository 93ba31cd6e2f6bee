"""Resizing of image and latent tensors."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate


def scale_images(images: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """Pictures [batch, height, width, channel] at another size; see ``scale``."""
    return scale(images.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


def scale(samples: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """Samples [batch, channel, ..., height, width] at another size, each frame by itself.

    Args:
        method: "nearest-exact", "bilinear", "area" or "bicubic" (may overshoot), all without antialiasing, with pixel
            centres at half-integers; "lanczos" filters 8-bit values, antialiased.
        crop: "center" first cuts the middle out at the wanted proportions; "disabled" distorts.
    """
    if samples.ndim > 4:
        frames = samples.flatten(2, -3).movedim(2, 1)
        resized = scale(frames.flatten(0, 1), width, height, method, crop)
        return resized.unflatten(0, frames.shape[:2]).movedim(1, 2).reshape(*samples.shape[:-2], height, width)
    if crop == "center":
        samples = centre_crop(samples, width, height)
    if method == "lanczos":
        return _lanczos(samples, width, height)
    return interpolate(samples, size=(height, width), mode=method)


def missing_side(width: int, height: int, samples: Tensor) -> tuple[int, int]:
    """Width and height where a side of 0 follows from the other one and the samples' proportions."""
    old_height, old_width = samples.shape[-2:]
    if width == 0 and height == 0:
        return old_width, old_height
    if width == 0:
        return max(1, round(old_width * height / old_height)), height
    if height == 0:
        return width, max(1, round(old_height * width / old_width))
    return width, height


def centre_crop(samples: Tensor, width: int, height: int) -> Tensor:
    """The largest middle part of samples [..., height, width] that has the proportions ``width : height``."""
    old_height, old_width = samples.shape[-2:]
    old, new = old_width / old_height, width / height
    left = _margin(old_width, new / old) if old > new else 0
    top = _margin(old_height, old / new) if old < new else 0
    return samples[..., top : old_height - top, left : old_width - left]


def _margin(side: int, kept: float) -> int:
    return min(round((side - side * kept) / 2), (side - 1) // 2)


def _lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    if not len(samples):
        return samples.new_empty(0, samples.shape[1], height, width)
    groups = {1: 1, 3: 3, 4: 4}.get(samples.shape[1], 1)  # Pillow knows no other numbers of channels
    parts = [_lanczos_as_picture(part, width, height) for part in torch.split(samples, groups, dim=1)]
    return torch.cat(parts, dim=1).to(samples.device, samples.dtype)


def _lanczos_as_picture(samples: Tensor, width: int, height: int) -> Tensor:
    pixels = (samples.float() * 255.0).clamp(0, 255).to("cpu", torch.uint8).movedim(1, -1).numpy()
    pictures = [Image.fromarray(item[:, :, 0] if item.shape[2] == 1 else item) for item in pixels]
    resized = np.stack([np.array(p.resize((width, height), Image.Resampling.LANCZOS)) for p in pictures])
    values = torch.from_numpy(resized).float() / 255.0
    return values[:, None] if values.ndim == 3 else values.movedim(-1, 1)
