"""How a model sees noise: its levels together with what its network predicts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from host.builtin_nodes.sampling.noise_levels import (
    AngularLevels,
    ContinuousLevels,
    CosineLevels,
    CosmosLevels,
    DiscreteLevels,
    ExponentialFlowLevels,
    FlowLevels,
    NoiseLevels,
    scaled_linear_sigmas,
    zero_terminal_snr,
)
from host.builtin_nodes.sampling.predictions import (
    CosmosFlow,
    Edm,
    Epsilon,
    Prediction,
    RectifiedFlow,
    Velocity,
)


@dataclass(frozen=True, eq=False)
class Parametrisation:
    """Everything sampling has to know of a model besides calling it.

    ``sigma`` arguments are tensors that broadcast against ``x``; levels are float32.
    """

    levels: NoiseLevels
    prediction: Prediction

    @property
    def sigmas(self) -> Tensor:
        """The table of levels, rising."""
        return self.levels.sigmas

    @cached_property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @cached_property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    @property
    def is_flow(self) -> bool:
        """Whether noising is ``(1 - sigma) * latent + sigma * noise`` instead of ``latent + sigma * noise``."""
        return self.prediction.is_flow

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the network is told for a level."""
        return self.levels.timestep(sigma)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The level that a timestep stands for."""
        return self.levels.sigma(timestep)

    def percent_to_sigma(self, percent: float) -> float:
        """The level at which that share (0..1) of a run is done; beyond every real level at 0."""
        return self.levels.percent_to_sigma(percent)

    def sigma_at(self, percent: float) -> float:
        """The real level at that share of a run: the highest at 0, the lowest at 1."""
        if percent <= 0:
            return self.sigma_max
        return self.sigma_min if percent >= 1 else self.percent_to_sigma(percent)

    def model_input(self, sigma: Tensor, x: Tensor) -> Tensor:
        """``x`` as the network wants it."""
        return self.prediction.model_input(sigma, x)

    def denoised(self, sigma: Tensor, model_output: Tensor, x: Tensor) -> Tensor:
        """The estimate of the clean latent that the network's output stands for."""
        return self.prediction.denoised(sigma, model_output, x)

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool = False) -> Tensor:
        """``latent`` noised to ``sigma``; ``max_denoise`` says that the run starts at the model's highest level."""
        return self.prediction.noise_scaling(sigma, noise, latent, max_denoise)

    def inverse_noise_scaling(self, sigma: Tensor, x: Tensor) -> Tensor:
        """A sample at ``sigma`` as a latent that ``noise_scaling`` with no noise would take back to it."""
        return self.prediction.inverse_noise_scaling(sigma, x)

    def starts_at_maximum(self, sigma: float) -> bool:
        """Whether a run from ``sigma`` counts as one from pure noise: within 1e-5 (relative) of the top, or above."""
        return sigma > self.sigma_max or abs(sigma - self.sigma_max) <= 1e-5 * max(sigma, self.sigma_max)


def discrete(
    prediction: Prediction | None = None, *, sigmas: Tensor | None = None, zero_snr: bool = False
) -> Parametrisation:
    """Stable Diffusion 1, 2 and XL: a table of steps (1000, scaled linear, if none is given), noise prediction."""
    table = scaled_linear_sigmas() if sigmas is None else sigmas
    return Parametrisation(
        DiscreteLevels(zero_terminal_snr(table) if zero_snr else table), Epsilon() if prediction is None else prediction
    )


def flow(shift: float = 3.0, multiplier: float = 1000.0) -> Parametrisation:
    """Stable Diffusion 3 (shift 3, timesteps 0..1000), AuraFlow (shift 1.73, multiplier 1) and their like."""
    return Parametrisation(FlowLevels(shift, multiplier), RectifiedFlow())


def flux(mu: float = 1.15) -> Parametrisation:
    """Flux: a flow whose levels are moved by e^mu."""
    return Parametrisation(ExponentialFlowLevels(mu), RectifiedFlow())


def flux_mu(width: int, height: int, base_shift: float = 0.5, max_shift: float = 1.15) -> float:
    """Flux's mu for an image size: linear in the number of image tokens, from 256 to 4096."""
    slope = (max_shift - base_shift) / (4096 - 256)
    return (width * height / (8 * 8 * 2 * 2)) * slope + base_shift - slope * 256


def continuous_edm(
    sigma_min: float, sigma_max: float, prediction: Prediction | None = None, *, sigma_data: float = 0.5
) -> Parametrisation:
    """Any level between two bounds, told to the network as log(sigma) / 4; EDM's own prediction if none is given."""
    return Parametrisation(
        ContinuousLevels(sigma_min, sigma_max), Edm(sigma_data) if prediction is None else prediction
    )


def continuous_v(sigma_min: float = 0.03, sigma_max: float = 500.0) -> Parametrisation:
    """Any level between two bounds, told to the network as an angle; v prediction (Stable Audio)."""
    return Parametrisation(AngularLevels(sigma_min, sigma_max), Velocity())


def cascade(shift: float = 2.0) -> Parametrisation:
    """Stable Cascade: cosine levels, noise prediction."""
    return Parametrisation(CosineLevels(shift), Epsilon())


def cosmos(sigma_min: float = 0.002, sigma_max: float = 80.0) -> Parametrisation:
    """Cosmos: a flow in variance-exploding terms."""
    return Parametrisation(CosmosLevels(sigma_min, sigma_max), CosmosFlow())
