"""An autoencoder that does nothing: latents are images in -1..1, for denoisers that work on pixels."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import Identity, Module


def build_pixel_space() -> Module:
    """A module without weights."""
    return Identity()


@dataclass(frozen=True)
class PixelSpaceAdapter:
    """See ``interface.VaeAdapter``."""

    latent_channels: int = 3
    downscale: int = 1

    def encode(self, module: Module, pixels: Tensor) -> Tensor:
        return pixels[..., : self.latent_channels].movedim(-1, 1).float().cpu() * 2 - 1

    def decode(self, module: Module, latents: Tensor) -> Tensor:
        return ((latents.float().cpu() + 1) / 2).clamp(0, 1).movedim(1, -1)

    def encode_tiled(self, module: Module, pixels: Tensor, *, tile: int, overlap: int) -> Tensor:
        return self.encode(module, pixels)

    def decode_tiled(self, module: Module, latents: Tensor, *, tile: int, overlap: int) -> Tensor:
        return self.decode(module, latents)
