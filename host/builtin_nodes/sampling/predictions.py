"""What a network predicts, and how its output becomes an estimate of the clean latent.

A sample at noise level sigma is ``latent + sigma * noise`` (variance exploding), or
``(1 - sigma) * latent + sigma * noise`` for flow models. ``sigma`` is broadcast against ``x``:
a scalar, or [batch, 1, 1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Prediction(Protocol):
    """Scalings around a network; ``is_flow`` tells samplers which of the two kinds of noising it is."""

    @property
    def is_flow(self) -> bool: ...

    def model_input(self, sigma: Tensor, x: Tensor) -> Tensor: ...

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor: ...

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool) -> Tensor: ...

    def inverse_noise_scaling(self, sigma: Tensor, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class _VarianceExploding:
    """Input scaled to unit variance (Karras et al. 2022, table 1); noise added to the latent."""

    sigma_data: float = 1.0

    @property
    def is_flow(self) -> bool:
        return False

    def model_input(self, sigma: Tensor, x: Tensor) -> Tensor:
        return x / (sigma**2 + self.sigma_data**2) ** 0.5

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool) -> Tensor:
        # At the highest level training samples had unit-variance latents underneath, an empty latent has not.
        return noise * ((1.0 + sigma**2) ** 0.5 if max_denoise else sigma) + latent

    def inverse_noise_scaling(self, sigma: Tensor, x: Tensor) -> Tensor:
        return x


@dataclass(frozen=True)
class Epsilon(_VarianceExploding):
    """The network predicts the noise (Ho et al. 2020)."""

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        return x - output * sigma


@dataclass(frozen=True)
class Velocity(_VarianceExploding):
    """The network predicts v (Salimans & Ho 2022, appendix D)."""

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        variance = sigma**2 + self.sigma_data**2
        return x * self.sigma_data**2 / variance - output * sigma * self.sigma_data / variance**0.5


@dataclass(frozen=True)
class Edm(_VarianceExploding):
    """The network predicts F of Karras et al. 2022, eq. 7."""

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        variance = sigma**2 + self.sigma_data**2
        return x * self.sigma_data**2 / variance + output * sigma * self.sigma_data / variance**0.5


@dataclass(frozen=True)
class Clean(_VarianceExploding):
    """The network predicts the clean latent itself."""

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        return output


@dataclass(frozen=True)
class CosmosFlow:
    """A rectified flow written in variance-exploding terms, t = sigma / (1 + sigma) (Cosmos-Predict2)."""

    @property
    def is_flow(self) -> bool:
        return False

    def model_input(self, sigma: Tensor, x: Tensor) -> Tensor:
        return x / (sigma + 1.0)

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        return (x - output * sigma) / (sigma + 1.0)

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool) -> Tensor:
        return noise * sigma + latent

    def inverse_noise_scaling(self, sigma: Tensor, x: Tensor) -> Tensor:
        return x


@dataclass(frozen=True)
class RectifiedFlow:
    """The network predicts ``noise - latent`` on a straight path (Liu et al. 2022; Lipman et al. 2022)."""

    @property
    def is_flow(self) -> bool:
        return True

    def model_input(self, sigma: Tensor, x: Tensor) -> Tensor:
        return x

    def denoised(self, sigma: Tensor, output: Tensor, x: Tensor) -> Tensor:
        return x - output * sigma

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent: Tensor, max_denoise: bool) -> Tensor:
        return sigma * noise + (1.0 - sigma) * latent

    def inverse_noise_scaling(self, sigma: Tensor, x: Tensor) -> Tensor:
        return x / (1.0 - sigma)
