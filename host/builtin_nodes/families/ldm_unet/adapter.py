"""How to call a UNet of latent diffusion, also one with further input channels or a conditioning vector."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.families.concat_inputs import fit_latent, fit_mask
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.ldm_unet.denoiser import run_unet
from host.builtin_nodes.sampling.parametrisation import Parametrisation

# A mid-grey image as the autoencoder of Stable Diffusion 1 encodes it, in the network's space.
_GREY = (0.8223, -0.6876, 0.6364, 0.1380)
_EDIT_CHANNELS, _INPAINT_CHANNELS = 8, 9

VectorInputs = Callable[[Mapping[str, Any], Tensor], dict[str, Tensor]]
"""Vector conditioning as network inputs, from an entry's options and the run's start latent."""


def _no_vector(options: Mapping[str, Any], latent: Tensor) -> dict[str, Tensor]:
    """What networks without vector conditioning take."""
    return {}


@dataclass(frozen=True, eq=False)
class UnetDenoiser:
    """See ``interface.DenoiserAdapter``.

    Attributes:
        in_channels: 4; 8 with an image to edit; 9 with mask and masked image.
        scaled_edit: the image to edit goes in with the latent's scale; most editing models were trained without.
        vector: gives the network's vector conditioning, as the input ``vector``.
    """

    in_channels: int
    parametrisation: Parametrisation
    latent_format: LatentFormat
    scaled_edit: bool = False
    vector: VectorInputs = _no_vector
    takes_boxes: ClassVar[bool] = True

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        inputs = self.vector(options, latent)
        if self.in_channels == _EDIT_CHANNELS:
            return {**inputs, "concat": self._edited_image(options, latent)}
        if self.in_channels == _INPAINT_CHANNELS:
            return {**inputs, "concat": self._inpainting_inputs(options, latent, mask)}
        return inputs

    def forward(self, module: Module, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        return run_unet(module, x, timestep, context, **inputs)

    def _edited_image(self, options: Mapping[str, Any], latent: Tensor) -> Tensor:
        image = options.get("concat_latent_image")
        if image is None:
            return torch.zeros_like(latent)
        return fit_latent(self.latent_format.to_model(image) if self.scaled_edit else image, latent)

    def _inpainting_inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> Tensor:
        """[mask, masked image]; without any mask all of a grey image is to be painted."""
        mask = options.get("concat_mask", mask)
        if mask is None:
            grey = torch.tensor(_GREY).to(latent)[None, :, None, None].expand_as(latent)
            return torch.cat([torch.ones_like(latent[:, :1]), grey], dim=1)
        image = options.get("concat_latent_image")
        image = latent if image is None else fit_latent(self.latent_format.to_model(image), latent)
        return torch.cat([fit_mask(mask, latent).round(), image], dim=1)
