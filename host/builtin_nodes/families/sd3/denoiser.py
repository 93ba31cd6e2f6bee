"""How to call a Stable Diffusion 3 transformer."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.controlnet.residuals import DOUBLE, ControlResiduals
from host.builtin_nodes.families.concat_inputs import fit_latent
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.mmdit.steering import steered
from host.builtin_nodes.families.mmdit.wrapping import wrapped
from host.builtin_nodes.families.sd3.config import LATENT_CHANNELS, LATENT_FORMAT
from host.builtin_nodes.families.unfit_prompts import pooled_vector_or_zeros
from host.builtin_nodes.sampling.parametrisation import Parametrisation, flow
from host.builtin_nodes.sampling.patches import PatchedCall
from sdk import NodeError

SHIFT, TIMESTEPS = 3.0, 1000.0

_BLOCKS = {DOUBLE: "transformer_blocks"}


@dataclass(frozen=True, eq=False)
class Sd3Denoiser:
    """See ``interface.DenoiserAdapter``.

    Attributes:
        in_channels: 16; 32 with an image beside the latent.
        pooled_channels: width of the pooled text.
        positions: most tokens along a side.
        patch: latent cells for one token, along each side.
    """

    in_channels: int
    pooled_channels: int
    positions: int
    patch: int
    parametrisation: Parametrisation
    latent_format: LatentFormat = LATENT_FORMAT

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        found = {"vector": pooled_vector_or_zeros(options, self.pooled_channels)}
        if self.in_channels > LATENT_CHANNELS:
            image = options.get("concat_latent_image")
            image = torch.zeros_like(latent) if image is None else fit_latent(image, latent)
            found["concat"] = self.latent_format.to_model(image)
        return found

    @torch.no_grad()
    def forward(
        self,
        module: Module,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        vector: Tensor,
        concat: Tensor | None = None,
        patches: PatchedCall | None = None,
        control: ControlResiduals | None = None,
    ) -> Tensor:
        weight = next(module.parameters())
        sample = wrapped(x if concat is None else torch.cat([x, concat.to(x)], dim=1), self.patch).to(weight)
        check_size(x, self.positions * self.patch)
        with steered(module, _BLOCKS, patches=patches, control=control, name="Stable Diffusion 3"):
            output: Tensor = module(
                sample,
                encoder_hidden_states=context.to(weight),
                pooled_projections=vector.to(weight),
                timestep=timestep.to(weight.device, torch.float32),
                return_dict=False,
            )[0]
        return output[..., : x.shape[-2], : x.shape[-1]]


def check_size(x: Tensor, most: int) -> None:
    """Refuse a latent of more than ``most`` cells along a side.

    Raises:
        NodeError: it is larger.
    """
    if max(x.shape[-2:]) > most:
        pixels = most * LATENT_FORMAT.downscale
        raise NodeError(
            f"The latent is {x.shape[-1]}x{x.shape[-2]} cells; this model knows positions for at most "
            f"{most}x{most}. Make an image of at most {pixels}x{pixels} pixels and scale it up afterwards."
        )


def sd3_denoiser(in_channels: int, pooled_channels: int, positions: int, patch: int) -> Sd3Denoiser:
    """The adapter, with the levels all versions share."""
    return Sd3Denoiser(in_channels, pooled_channels, positions, patch, flow(SHIFT, TIMESTEPS))
