"""Goes from images to latents and back with an autoencoder."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.families.kl_vae.tiling import run_tiled
from sdk import NodeError

_COLOURS = 3


@dataclass(frozen=True)
class KlVaeAdapter:
    """See ``interface.VaeAdapter``. One image at a time, so that the need for memory doesn't grow with the batch."""

    latent_channels: int
    downscale: int

    @torch.no_grad()
    def encode(self, module: Any, pixels: Tensor) -> Tensor:
        encode = self._encoder(module)
        return torch.cat([encode(image[None]).float().cpu() for image in self._prepared(pixels)])

    @torch.no_grad()
    def decode(self, module: Any, latents: Tensor) -> Tensor:
        decode = self._decoder(module)
        return _as_images(torch.cat([decode(latent[None]).float().cpu() for latent in self._checked(latents)]))

    @torch.no_grad()
    def encode_tiled(self, module: Any, pixels: Tensor, *, tile: int, overlap: int) -> Tensor:
        cell = self.downscale
        # Tiles of half the side have to consist of whole cells, too, and to be longer than the overlap.
        half = max(tile // (2 * cell), 2)
        return run_tiled(
            self._encoder(module),
            self._prepared(pixels),
            tile=2 * half * cell,
            overlap=min(overlap // cell, half - 1) * cell,
            scale=1 / cell,
            channels=self.latent_channels,
        )

    @torch.no_grad()
    def decode_tiled(self, module: Any, latents: Tensor, *, tile: int, overlap: int) -> Tensor:
        decode, latents = self._decoder(module), self._checked(latents)
        return _as_images(
            run_tiled(decode, latents, tile=tile, overlap=overlap, scale=self.downscale, channels=_COLOURS)
        )

    def _checked(self, latents: Tensor) -> Tensor:
        if latents.ndim != 4 or latents.shape[1] != self.latent_channels:
            raise NodeError(
                f"The latent has shape {list(latents.shape)}; this autoencoder decodes [batch, {self.latent_channels}, "
                "height, width]. Take the VAE that belongs to the model the latent comes from."
            )
        return latents

    def _prepared(self, pixels: Tensor) -> Tensor:
        """[batch, 3, height, width] in -1..1, cropped around the centre."""
        _, height, width, channels = pixels.shape
        if min(height, width) < self.downscale or channels < _COLOURS:
            raise NodeError(
                f"An image of {width}x{height} pixels and {channels} channels can't be encoded: it takes at least "
                f"{self.downscale}x{self.downscale} pixels and {_COLOURS} channels. Scale or convert it before."
            )
        return crop_to_multiple(pixels, self.downscale)[..., :_COLOURS].movedim(-1, 1) * 2 - 1

    def _encoder(self, module: Any) -> Callable[[Tensor], Tensor]:
        """The posterior's mean: a sample from it would make results depend on chance."""
        weight = next(module.parameters())
        return lambda images: module.encode(images.to(weight)).latent_dist.mean

    def _decoder(self, module: Any) -> Callable[[Tensor], Tensor]:
        weight = next(module.parameters())
        return lambda latents: module.decode(latents.to(weight)).sample


def crop_to_multiple(pixels: Tensor, multiple: int) -> Tensor:
    """Images [batch, height, width, channel] cropped around the centre to sides that are multiples of ``multiple``."""
    height, width = (side // multiple * multiple for side in pixels.shape[1:3])
    top, left = (side % multiple // 2 for side in pixels.shape[1:3])
    return pixels[:, top : top + height, left : left + width]


def _as_images(raw: Tensor) -> Tensor:
    """Overwrites ``raw``: a batch of images can be as large as what is left of the memory."""
    return raw.add_(1).div_(2).clamp_(0, 1).movedim(1, -1)
