"""Other ways to read a network of latent diffusion: as a consistency model, or as one from image to image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from host.builtin_nodes.sampling.noise_levels import DiscreteLevels, scaled_linear_sigmas, zero_terminal_snr
from host.builtin_nodes.sampling.parametrisation import Parametrisation, discrete
from host.builtin_nodes.sampling.predictions import Clean, Epsilon

_DISTILLED_STEPS = 50
_DATA_DEVIATION = 0.5
_TIMESTEP_SCALE = 10.0


@dataclass(frozen=True, kw_only=True)
class Consistency(Epsilon):
    """The network predicts the noise; the estimate goes over into the sample at timestep 0 (Luo et al. 2023, eq. 9)."""

    levels: DiscreteLevels

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        time = self.levels.timestep(sigma).float() * _TIMESTEP_SCALE
        variance = time**2 + _DATA_DEVIATION**2
        return time / variance**0.5 * super().denoised(sigma, output, x) + _DATA_DEVIATION**2 / variance * x


@dataclass(frozen=True)
class Untouched(Clean):
    """The network gets the sample as it is and predicts the clean latent."""

    def model_input(self, sigma: Tensor, x: Tensor) -> Tensor:
        return x


def consistency(*, zero_snr: bool = False) -> Parametrisation:
    """A latent consistency model: 50 of the 1000 levels of Stable Diffusion."""
    table = scaled_linear_sigmas()
    stride = len(table) // _DISTILLED_STEPS
    levels = DiscreteLevels((zero_terminal_snr(table) if zero_snr else table)[stride - 1 :: stride], stride)
    return Parametrisation(levels, Consistency(levels=levels))


def image_to_image(*, zero_snr: bool = False) -> Parametrisation:
    """A network on Stable Diffusion's levels that turns one image into another."""
    return discrete(Untouched(), zero_snr=zero_snr)
