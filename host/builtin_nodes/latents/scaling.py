"""Resizing of latents, also along the sphere on which their cells lie."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

import torch
from torch import Tensor

from host.builtin_nodes.batching import cycled
from host.builtin_nodes.images.scaling import centre_crop, scale
from sdk import NodeError

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


def fitted(samples: Tensor, like: Tensor) -> Tensor:
    """Samples at the size of others, cut to their proportions, and as many of them."""
    return cycled(resized_like(samples, like, "bilinear"), len(like))


def resized_like(samples: Tensor, like: Tensor, method: str) -> Tensor:
    """Samples at the size of others, cut to their proportions.

    Raises:
        NodeError: there is no way to combine them with the others.
    """
    if samples.shape[1:] == like.shape[1:]:
        return samples
    refuse_other_kinds(samples, like)
    return scale(samples, like.shape[-1], like.shape[-2], method, "center")


def refuse_other_kinds(samples: Tensor, like: Tensor) -> None:
    """Nothing, if latents differ in number, height and width alone; a dimension of 1 goes with any.

    Raises:
        NodeError: they differ otherwise, so that there is no way to combine them.
    """
    lengths = zip(samples.shape[1:-2], like.shape[1:-2], strict=False)
    no_pictures = samples.ndim < 4 and samples.shape[1:] != like.shape[1:]
    if samples.ndim != like.ndim or no_pictures or any(a != b and 1 not in (a, b) for a, b in lengths):
        raise NodeError(
            f"Latents of shape {list(like.shape)} and {list(samples.shape)} can't be combined: they belong to "
            "different models, or last for different times. Make both with the same model and length."
        )


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Samples resized by spherical interpolation of neighbouring cells, along the width and then along the height.

    The direction of a cell's channel vector is interpolated on the sphere, its length linearly.
    """
    wide = _along_last(samples.float(), width)
    tall = _along_last(wide.transpose(-1, -2), height).transpose(-1, -2)
    return tall.to(samples.dtype)


def directions_and_lengths_mixed(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Vectors along dimension 1 whose direction is between those of two others, and whose length is, too.

    Args:
        share: of ``one``, 0..1. Vectors without a direction count as zero.
    """
    lengths = [vectors.norm(dim=1, keepdim=True) for vectors in (one, other)]
    first, second = ((vectors / length).nan_to_num() for vectors, length in zip((one, other), lengths, strict=True))
    between = first * share + second * (1.0 - share)
    direction = (between / between.norm(dim=1, keepdim=True)).nan_to_num()
    return direction * (lengths[0] * share + lengths[1] * (1.0 - share))


def feathered_mask(target: Tensor, source: Tensor, x: int, y: int, ramp: int) -> Tensor:
    """A mask [1, 1, height, width] of the source's size, for pasting it at (x, y).

    It rises linearly over ``ramp`` cells from each edge of the part that is seen, but for edges on the target's border.
    """
    height, width = (max(0, min(source.shape[d], target.shape[d] - at)) for d, at in ((-2, y), (-1, x)))
    rows = _ramps(height, ramp, first=y > 0, last=y + source.shape[-2] < target.shape[-2])
    columns = _ramps(width, ramp, first=x > 0, last=x + source.shape[-1] < target.shape[-1])
    mask = torch.ones(1, 1, *source.shape[-2:])
    mask[..., :height, :width] = rows[:, None] * columns
    return mask


def _ramps(length: int, ramp: int, *, first: bool, last: bool) -> Tensor:
    weights, rising = torch.ones(length), (torch.arange(length) + 1) / ramp
    for wanted, slope in ((first, rising), (last, rising.flip(0))):
        if wanted:
            weights = weights * slope.clamp(max=1)
    return weights


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
