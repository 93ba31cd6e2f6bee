"""How to call a Stable Diffusion 1.x UNet, also one with further input channels."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.families.concat_inputs import fit_latent, fit_mask
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.ldm_unet.denoiser import run_unet
from host.builtin_nodes.sampling.parametrisation import Parametrisation, discrete
from host.builtin_nodes.sampling.predictions import Epsilon, Velocity

LATENT_FORMAT = LatentFormat(channels=4, scale=0.18215)
# A mid-grey image as the autoencoder encodes it, in the network's space.
_GREY = (0.8223, -0.6876, 0.6364, 0.1380)
_EDIT_CHANNELS, _INPAINT_CHANNELS = 8, 9


@dataclass(frozen=True, eq=False)
class Sd1Denoiser:
    """See ``interface.DenoiserAdapter``. ``in_channels``: 4; 8 with an image to edit; 9 with mask and masked image."""

    in_channels: int
    parametrisation: Parametrisation
    latent_format: LatentFormat = LATENT_FORMAT

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        if self.in_channels == _EDIT_CHANNELS:
            return {"concat": self._edited_image(options, latent)}
        if self.in_channels == _INPAINT_CHANNELS:
            return {"concat": self._inpainting_inputs(options, latent, mask)}
        return {}

    def forward(self, module: Module, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        return run_unet(module, x, timestep, context, **inputs)

    def _edited_image(self, options: Mapping[str, Any], latent: Tensor) -> Tensor:
        """The image to edit as the VAE gives it: this one model was trained without the latent scale."""
        image = options.get("concat_latent_image")
        return torch.zeros_like(latent) if image is None else fit_latent(image, latent)

    def _inpainting_inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> Tensor:
        """[mask, masked image]; without any mask all of a grey image is to be painted."""
        mask = options.get("concat_mask", mask)
        if mask is None:
            grey = torch.tensor(_GREY).to(latent)[None, :, None, None].expand_as(latent)
            return torch.cat([torch.ones_like(latent[:, :1]), grey], dim=1)
        image = options.get("concat_latent_image")
        image = latent if image is None else fit_latent(self.latent_format.to_model(image), latent)
        return torch.cat([fit_mask(mask, latent).round(), image], dim=1)


def sd1_denoiser(in_channels: int, prediction: str, *, zero_snr: bool) -> Sd1Denoiser:
    """The adapter for a UNet that predicts ``eps`` or ``v``."""
    kind = Velocity() if prediction == "v" else Epsilon()
    return Sd1Denoiser(in_channels, discrete(kind, zero_snr=zero_snr))
