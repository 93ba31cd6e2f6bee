"""Fits images and masks to the latent they accompany as further input channels."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from torch import Tensor

from host.builtin_nodes.images.scaling import scale


def fit_latent(image: Tensor, latent: Tensor) -> Tensor:
    """``image`` in batch, height, width, dtype and device of ``latent``: cropped to its proportions, then resized."""
    height, width = latent.shape[-2:]
    image = image.to(latent)
    if image.shape[-2:] != (height, width):
        image = scale(image, width, height, "bilinear", crop="center")
    return fit_batch(image, latent.shape[0])


def fit_mask(mask: Tensor, latent: Tensor) -> Tensor:
    """A mask of any size as [batch, 1, height, width] of ``latent``, resized bilinearly."""
    flat = mask.reshape(-1, 1, *mask.shape[-2:]).to(latent)
    if flat.shape[-2:] != latent.shape[-2:]:
        flat = scale(flat, latent.shape[-1], latent.shape[-2], "bilinear")
    return fit_batch(flat, latent.shape[0])


def fit_batch(tensor: Tensor, batch: int) -> Tensor:
    """The first ``batch`` elements of the tensor's batch, which is repeated as often as needed."""
    repeats = -(-batch // tensor.shape[0])
    return tensor.repeat(repeats, *[1] * (tensor.ndim - 1))[:batch]
