"""How a DDPM sees noise, in the terms in which samplers ask: levels sigma with ``x = image + sigma * noise``.

Samplers know a model by what it answers here; the built-in ones ask for nothing else.
"""

# ruff: noqa: TID253 - imported when a model is opened, never when the pack is loaded
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

TRAINING_STEPS = 1000
_BEFORE_EVERYTHING = 999999999.9


def alpha_bars(count: int = TRAINING_STEPS) -> Tensor:
    """What each step leaves of the image, float64 [count]: betas from 1e-4 to 0.02 (Ho et al. 2020, section 4)."""
    return torch.cumprod(1 - torch.linspace(1e-4, 0.02, count, dtype=torch.float64), dim=0)


@dataclass(frozen=True, eq=False)
class DdpmLevels:
    """A table of levels, and the network's estimate of noise turned into one of the image.

    ``sigma`` arguments broadcast against ``x``; levels are float32 and rise.
    """

    count: int = TRAINING_STEPS
    is_flow: bool = False

    @cached_property
    def sigmas(self) -> Tensor:
        kept = alpha_bars(self.count)
        return ((1 - kept) / kept).sqrt().float()

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def timestep(self, sigma: Tensor) -> Tensor:
        """The training step whose level is nearest in log-sigma, int64, in the shape of ``sigma``."""
        logs = sigma.float().log().cpu().reshape(-1, 1)
        nearest = (logs - self.sigmas.log()).abs().argmin(dim=1)
        return nearest.reshape(sigma.shape).to(sigma.device)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The level at a step, between two of the table by their logarithms."""
        position = timestep.float().cpu().clamp(0, self.count - 1)
        low, high, table = position.floor().long(), position.ceil().long(), self.sigmas.log()
        return torch.lerp(table[low], table[high], position.frac()).exp().to(timestep.device)

    def percent_to_sigma(self, percent: float) -> float:
        """The level at which that share (0..1) of a run is done; beyond every real one at 0."""
        if percent <= 0:
            return _BEFORE_EVERYTHING
        return 0.0 if percent >= 1 else float(self.sigma(torch.tensor((1 - percent) * (self.count - 1))))

    def sigma_at(self, percent: float) -> float:
        """The real level at that share of a run."""
        if percent <= 0:
            return self.sigma_max
        return self.sigma_min if percent >= 1 else self.percent_to_sigma(percent)

    def model_input(self, sigma: Tensor, x: Tensor) -> Tensor:
        """``x`` as the network was trained on it: with unit variance."""
        return x / (sigma**2 + 1).sqrt()

    def denoised(self, sigma: Tensor, model_output: Tensor, x: Tensor) -> Tensor:
        """The image that the network's estimate of the noise leaves."""
        return x - sigma * model_output

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool = False) -> Tensor:
        """The start of a run: the image noised to ``sigma``; from the highest level as the network saw it."""
        scale = (1 + sigma**2).sqrt() if max_denoise else sigma
        return noise * scale + latent

    def inverse_noise_scaling(self, sigma: Tensor, x: Tensor) -> Tensor:
        """A sample as ``noise_scaling`` without noise would give it back."""
        return x

    def starts_at_maximum(self, sigma: float) -> bool:
        """Whether a run from ``sigma`` is one from pure noise."""
        return sigma > self.sigma_max or abs(sigma - self.sigma_max) <= 1e-5 * max(sigma, self.sigma_max)
