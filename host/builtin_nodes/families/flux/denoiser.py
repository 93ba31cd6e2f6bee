"""How to call a Flux transformer, also one with further input channels."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.families.concat_inputs import fit_batch, fit_latent
from host.builtin_nodes.families.flux.config import LATENT_CHANNELS, LATENT_FORMAT, PATCH
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.mmdit.skipping import without_skipped
from host.builtin_nodes.families.mmdit.wrapping import wrapped
from host.builtin_nodes.families.style_models.joining import ATTENTION_MASK, for_cells
from host.builtin_nodes.images.scaling import scale
from host.builtin_nodes.sampling.parametrisation import Parametrisation, flow, flux
from host.builtin_nodes.sampling.patches import PatchedCall

DEFAULT_GUIDANCE = 3.5
_POSITIONS = 3

_BLOCKS = {"double_block": "transformer_blocks", "single_block": "single_transformer_blocks"}


@dataclass(frozen=True, eq=False)
class FluxDenoiser:
    """See ``interface.DenoiserAdapter``.

    Attributes:
        in_channels: 16; 32 with an image beside the latent; more with an image and a mask in full resolution.
        pooled_channels: width of the pooled text.
        guidance: whether the strength of guidance is an input.
    """

    in_channels: int
    pooled_channels: int
    guidance: bool
    parametrisation: Parametrisation
    latent_format: LatentFormat = LATENT_FORMAT

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        pooled = options.get("pooled_output")
        found = {"vector": torch.zeros(1, self.pooled_channels) if pooled is None else pooled}
        guidance = options.get("guidance", DEFAULT_GUIDANCE)
        if self.guidance and guidance is not None:
            found["guidance"] = torch.tensor([float(guidance)])
        if (mask_of_prompt := options.get(ATTENTION_MASK)) is not None:
            found["attention"] = mask_of_prompt
        if self.in_channels > LATENT_CHANNELS:
            found["concat"] = self._further_channels(options, latent, mask)
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
        guidance: Tensor | None = None,
        concat: Tensor | None = None,
        attention: Tensor | None = None,
        patches: PatchedCall | None = None,
    ) -> Tensor:
        weight = next(module.parameters())
        sample = wrapped(x if concat is None else torch.cat([x, concat.to(x)], dim=1), PATCH).to(weight)
        height, width = (side // PATCH for side in sample.shape[-2:])
        joint = (
            {} if attention is None else {"attention_mask": for_cells(attention, height * width).to(weight)[:, None]}
        )
        with without_skipped(module, _BLOCKS, patches, "Flux"):
            output: Tensor = module(
                _tokens(sample),
                encoder_hidden_states=context.to(weight),
                pooled_projections=vector.to(weight),
                timestep=timestep.to(weight.device, torch.float32),
                img_ids=_positions(height, width, weight.device),
                txt_ids=torch.zeros(context.shape[1], _POSITIONS, device=weight.device),
                guidance=None if guidance is None else guidance.to(weight.device, torch.float32),
                joint_attention_kwargs=joint,
                return_dict=False,
            )[0]
        return _latent(output, height, width)[..., : x.shape[-2], : x.shape[-1]]

    def _further_channels(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> Tensor:
        """[image], or [image, mask] where there is room for more than an image."""
        image = options.get("concat_latent_image")
        image = torch.zeros_like(latent) if image is None else fit_latent(image, latent)
        image = self.latent_format.to_model(image)
        if self.in_channels <= 2 * LATENT_CHANNELS:
            return image
        mask = options.get("concat_mask", mask)
        whole = torch.ones_like(latent[:, :1]) if mask is None else mask.reshape(-1, 1, *mask.shape[-2:]).to(latent)
        return torch.cat([image, _mask_channels(whole, latent, self.latent_format.downscale)], dim=1)


def flux_denoiser(in_channels: int, pooled_channels: int, *, guidance: bool) -> FluxDenoiser:
    """The adapter; without guidance it is a distilled model of few steps (schnell), whose levels are not moved."""
    return FluxDenoiser(in_channels, pooled_channels, guidance, flux() if guidance else flow(1.0, 1.0))


def _tokens(x: Tensor) -> Tensor:
    """[batch, tokens, channels of a patch], row by row; within a token all of a channel's cells come together."""
    batch, channels, height, width = x.shape
    cells = x.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, height * width // PATCH**2, channels * PATCH**2)


def _latent(tokens: Tensor, height: int, width: int) -> Tensor:
    """The reverse of ``_tokens``, for that many tokens along each side."""
    cells = tokens.reshape(tokens.shape[0], height, width, -1, PATCH, PATCH)
    return cells.permute(0, 3, 1, 4, 2, 5).reshape(tokens.shape[0], -1, height * PATCH, width * PATCH)


def _positions(height: int, width: int, device: torch.device) -> Tensor:
    """[tokens, 3]: number, row and column of each token."""
    positions = torch.zeros(height, width, _POSITIONS, device=device)
    positions[..., 1] += torch.arange(height, device=device)[:, None]
    positions[..., 2] += torch.arange(width, device=device)
    return positions.reshape(-1, _POSITIONS)


def _mask_channels(mask: Tensor, latent: Tensor, downscale: int) -> Tensor:
    """A mask as [batch, downscale², height, width] of the latent: a channel for each pixel of a cell."""
    height, width = latent.shape[-2:]
    pixels = scale(mask, width * downscale, height * downscale, "bilinear", crop="center")
    cells = pixels.reshape(-1, height, downscale, width, downscale).permute(0, 2, 4, 1, 3)
    return fit_batch(cells.reshape(-1, downscale**2, height, width), latent.shape[0])
