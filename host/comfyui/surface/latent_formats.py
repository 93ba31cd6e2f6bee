"""``comfy.latent_formats``: how models' latents differ from their VAE's: ``model = (vae - shift) * scale``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SD3", "SD15", "SDXL", "Flux", "LatentFormat"]


class LatentFormat:
    """Latents that are the VAE's own."""

    scale_factor = 1.0
    shift_factor = 0.0
    latent_channels = 4
    latent_dimensions = 2
    latent_rgb_factors: Any = None
    latent_rgb_factors_bias: Any = None
    taesd_decoder_name: str | None = None

    def process_in(self, latent: Tensor) -> Tensor:
        """A latent as the VAE makes it, as the model wants it."""
        return (latent - self.shift_factor) * self.scale_factor

    def process_out(self, latent: Tensor) -> Tensor:
        """The reverse of ``process_in``."""
        return latent / self.scale_factor + self.shift_factor


class SD15(LatentFormat):
    """Stable Diffusion 1 and 2."""

    taesd_decoder_name = "taesd_decoder"

    def __init__(self, scale_factor: float = 0.18215) -> None:
        self.scale_factor = scale_factor


class SDXL(LatentFormat):
    """Stable Diffusion XL."""

    scale_factor = 0.13025
    taesd_decoder_name = "taesdxl_decoder"


class SD3(LatentFormat):
    """Stable Diffusion 3."""

    scale_factor = 1.5305
    shift_factor = 0.0609
    latent_channels = 16
    taesd_decoder_name = "taesd3_decoder"


class Flux(SD3):
    """Flux."""

    scale_factor = 0.3611
    shift_factor = 0.1159
    taesd_decoder_name = "taef1_decoder"


class OfModel(LatentFormat):
    """That of a model of the host."""

    def __init__(self, known: Any) -> None:
        self._known = known
        self.scale_factor, self.shift_factor = known.scale, known.shift
        self.latent_channels, self.latent_dimensions = known.channels, known.dimensions - 2

    def process_in(self, latent: Tensor) -> Tensor:
        changed: Tensor = self._known.to_model(latent)
        return changed

    def process_out(self, latent: Tensor) -> Tensor:
        changed: Tensor = self._known.from_model(latent)
        return changed
