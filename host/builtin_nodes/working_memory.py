"""How much memory models need beside their weights, estimated from shapes: what ``borrow`` is told to keep free.

The factors are the most that diffusers' modules hold at a time, counted over all operations of one pass: of Stable
Diffusion 1.5's UNet 26 times the widest activation, of its autoencoder 6 times when decoding and 5 when encoding. A
guess that is too low costs a repeated call, one that is too high a model that has to come back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sdk.models import ModelHandle

_BYTES = 4
_SIDES = 2
"""The prompt's and the negative's predictions are computed together."""

_DENOISER, _DECODER, _ENCODER = 26, 6, 5
_DENOISER_WIDTH, _VAE_WIDTH = 320, 128
"""Of families that don't state their widths as these do; a transformer's tokens need about as much."""


def denoiser_bytes(model: ModelHandle, latent_shape: Sequence[int]) -> int:
    """For a step on latents [batch, channel, …]."""
    width = _width(model.identity.config, "unet", _DENOISER_WIDTH)
    return _SIDES * latent_shape[0] * math.prod(latent_shape[2:]) * width * _DENOISER * _BYTES


def decoder_bytes(vae: ModelHandle, latent_shape: Sequence[int]) -> int:
    """For decoding latents [batch, channel, height, width], one at a time."""
    pixels = math.prod(latent_shape[-2:]) * vae.adapter.downscale**2
    return int(pixels * _width(vae.identity.config, "vae", _VAE_WIDTH) * _DECODER * _BYTES)


def encoder_bytes(vae: ModelHandle, image_shape: Sequence[int]) -> int:
    """For encoding images [batch, height, width, channel], one at a time."""
    pixels = math.prod(image_shape[-3:-1])
    return pixels * _width(vae.identity.config, "vae", _VAE_WIDTH) * _ENCODER * _BYTES


def _width(config: Mapping[str, Any], part: str, otherwise: int) -> int:
    """The width at the highest resolution, as identities of U-shaped networks state it."""
    fields = config.get(part)
    channels = fields.get("channels") if isinstance(fields, Mapping) else None
    return int(channels[0]) if channels else otherwise
