"""Sampling in a part of the latent only: 1 in the mask is repainted, 0 is kept, values between are blended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Denoiser
from host.builtin_nodes.sampling.parametrisation import Parametrisation


def fit_mask(mask: Tensor, latent: Tensor) -> Tensor:
    """A mask [height, width] or [..., height, width] of any size as float32 in the shape of ``latent``.

    Resized bilinearly, soft values kept; repeated or cut to the batch.
    """
    flat = mask.reshape(-1, 1, *mask.shape[-2:]).float()
    resized = torch.nn.functional.interpolate(flat, size=latent.shape[-2:], mode="bilinear")
    repeats = -(-latent.shape[0] // resized.shape[0])
    batch = resized.repeat(repeats, 1, 1, 1)[: latent.shape[0]]
    between = [1] * (latent.ndim - 4)
    shaped = batch.reshape(latent.shape[0], 1, *between, *latent.shape[-2:])
    return shaped.expand(latent.shape).to(latent.device)


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
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
        level = level.reshape(-1, *[1] * (x.ndim - 1))
        noised = self.parametrisation.noise_scaling(level, self.noise, self.latent)
        return x * mask + noised * (1 - mask)

    def _kept(self, denoised: Tensor, mask: Tensor) -> Tensor:
        return denoised * mask + self.latent * (1 - mask)
