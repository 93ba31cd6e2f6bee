"""Sampling in a part of the latent only: 1 in the mask is repainted, 0 is kept, values between are blended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Denoiser
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.uploads import upload

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def fit_mask(mask: Tensor, latent: Tensor) -> Tensor:
    """A mask of any size as float32 in the shape of ``latent``, resized linearly, soft values kept.

    For a picture it is [height, width] or [..., height, width], repeated or cut to the batch; for a video [batch, 1,
    frame, height, width], or [..., height, width] for the frames of all; for a sound [..., length].
    """
    sides = latent.shape[2:]
    whole = _with_channel(mask, len(sides)).float()
    resized = torch.nn.functional.interpolate(whole, size=sides, mode=_MODES[len(sides)])
    repeats = -(-latent.shape[0] // resized.shape[0])
    batch = resized.repeat(repeats, *[1] * (resized.ndim - 1))[: latent.shape[0]]
    return batch.expand(latent.shape).to(latent.device)


def _with_channel(mask: Tensor, dimensions: int) -> Tensor:
    """A mask as [batch, channel, *side]."""
    if dimensions == 3:
        return mask if mask.ndim == 5 else mask.reshape(1, 1, -1, *mask.shape[-2:])
    return mask.reshape(-1, 1, *mask.shape[-dimensions:])


@dataclass(frozen=True, eq=False)
class MaskedDenoiser:
    """A denoiser that sees the noised ``latent``, and answers the clean one, where ``mask`` is 0.

    ``mask_at`` gives the mask at a level, where it isn't the same at all.
    """

    inner: Denoiser
    mask: Tensor
    latent: Tensor
    noise: Tensor
    mask_at: Callable[[Tensor, float], Tensor] | None = None

    @property
    def parametrisation(self) -> Parametrisation:
        return self.inner.parametrisation

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        mask = self._mask(sigma)
        return self._kept(self.inner(self._seen(x, sigma, mask), sigma), mask)

    def pair(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        mask = self._mask(sigma)
        denoised, negative = self.inner.pair(self._seen(x, sigma, mask), sigma)
        return self._kept(denoised, mask), negative

    def _mask(self, sigma: float | Tensor) -> Tensor:
        if self.mask_at is None:
            return self.mask
        return self.mask_at(self.mask, float(torch.as_tensor(sigma).flatten()[0]))

    def _seen(self, x: Tensor, sigma: float | Tensor, mask: Tensor) -> Tensor:
        level = torch.as_tensor(sigma, dtype=x.dtype)
        if level.ndim > 0:
            level = upload(level, x.device).reshape(-1, *[1] * (x.ndim - 1))
        noised = self.parametrisation.noise_scaling(level, self.noise, self.latent)
        return x * mask + noised * (1 - mask)

    def _kept(self, denoised: Tensor, mask: Tensor) -> Tensor:
        return denoised * mask + self.latent * (1 - mask)
