"""How to call a Flux transformer, also one with further input channels."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.controlnet.residuals import DOUBLE, SINGLE, ControlResiduals
from host.builtin_nodes.families.concat_inputs import fit_batch, fit_latent
from host.builtin_nodes.families.flux.config import LATENT_CHANNELS, LATENT_FORMAT, PATCH
from host.builtin_nodes.families.flux.tokens import OFFSET, POSITIONS, cells_of, with_references
from host.builtin_nodes.families.flux.widening import cut_to_width, summed, widened
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.mmdit.steering import steered
from host.builtin_nodes.families.mmdit.wrapping import wrapped
from host.builtin_nodes.families.style_models.joining import ATTENTION_MASK, for_cells
from host.builtin_nodes.families.unfit_prompts import pooled_vector_or_zeros
from host.builtin_nodes.images.scaling import scale
from host.builtin_nodes.sampling.errors import UnsupportedConditioning
from host.builtin_nodes.sampling.parametrisation import Parametrisation, flow, flux
from host.builtin_nodes.sampling.patches import PatchedCall
from sdk import PatchSet

DEFAULT_GUIDANCE = 3.5
REFERENCES, REFERENCES_METHOD = "reference_latents", "reference_latents_method"
"""Options of a conditioning entry: latents to look at besides the prompt, and how to tell several apart."""

_REFERENCE = "reference"
_BLOCKS = {DOUBLE: "transformer_blocks", SINGLE: "single_transformer_blocks"}


@dataclass(frozen=True, eq=False)
class FluxDenoiser:
    """See ``interface.DenoiserAdapter``.

    Attributes:
        in_channels: 16; 32 with an image beside the latent; more with an image and a mask in full resolution.
        pooled_channels: width of the pooled text.
        guidance: whether the strength of guidance is an input.
        columns: of the first layer, for inputs that a LoRA has added to those the file's layer takes.
    """

    in_channels: int
    pooled_channels: int
    guidance: bool
    parametrisation: Parametrisation
    latent_format: LatentFormat = LATENT_FORMAT
    columns: Tensor | None = None

    def changed_by(self, patches: PatchSet, strength: float) -> tuple[FluxDenoiser, PatchSet]:
        """See ``interface.ChangingAdapter``: a change of more inputs than the model has makes it take these."""
        taken = self.in_channels - (0 if self.columns is None else self.columns.shape[1] // PATCH**2)
        fitting, columns = cut_to_width(patches, strength, taken)
        if columns is None:
            return self, fitting
        both = summed(self.columns, columns)
        return replace(self, in_channels=taken + both.shape[1] // PATCH**2, columns=both), fitting

    @property
    def further_columns(self) -> Mapping[str, Tensor]:
        """See ``interface.WideningAdapter``."""
        return {} if self.columns is None else {"img_in.weight": self.columns}

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        found = {"vector": pooled_vector_or_zeros(options, self.pooled_channels)}
        guidance = options.get("guidance", DEFAULT_GUIDANCE)
        if self.guidance and guidance is not None:
            found["guidance"] = torch.tensor([float(guidance)])
        if (mask_of_prompt := options.get(ATTENTION_MASK)) is not None:
            found["attention"] = mask_of_prompt
        if self.in_channels > LATENT_CHANNELS:
            found["concat"] = self._further_channels(options, latent, mask)
        method = options.get(REFERENCES_METHOD, OFFSET)
        for number, reference in enumerate(options.get(REFERENCES, ())):
            # Prompts share an evaluation only where their inputs have the same names, and so the same method.
            found[f"{_REFERENCE}_{number}_{method}"] = self.latent_format.to_model(reference)
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
        control: ControlResiduals | None = None,
        **references: Tensor,
    ) -> Tensor:
        if concat is not None and references:
            raise UnsupportedConditioning([REFERENCES])
        weight = next(module.parameters())
        sample = wrapped(x if concat is None else torch.cat([x, concat.to(x)], dim=1), PATCH).to(weight)
        shown = [reference.to(weight) for reference in references.values()]
        states, places = with_references(sample, shown, _method(references))
        joint = {}
        if attention is not None:
            joint["attention_mask"] = for_cells(attention, states.shape[1]).to(weight)[:, None]
        with (
            steered(module, _BLOCKS, patches=patches, control=control, name="Flux"),
            widened(module, self.columns),
        ):
            output: Tensor = module(
                states,
                encoder_hidden_states=context.to(weight),
                pooled_projections=vector.to(weight),
                timestep=timestep.to(weight.device, torch.float32),
                img_ids=places,
                txt_ids=torch.zeros(context.shape[1], POSITIONS, device=weight.device),
                guidance=None if guidance is None else guidance.to(weight.device, torch.float32),
                joint_attention_kwargs=joint,
                return_dict=False,
            )[0]
        return cells_of(output, *sample.shape[-2:])[..., : x.shape[-2], : x.shape[-1]]

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


def _method(references: Mapping[str, Tensor]) -> str:
    """How references are told apart, by the name of the first."""
    name = next(iter(references), "")
    return name.split("_", 2)[-1]


def _mask_channels(mask: Tensor, latent: Tensor, downscale: int) -> Tensor:
    """A mask as [batch, downscale², height, width] of the latent: a channel for each pixel of a cell."""
    height, width = latent.shape[-2:]
    pixels = scale(mask, width * downscale, height * downscale, "bilinear", crop="center")
    cells = pixels.reshape(-1, height, downscale, width, downscale).permute(0, 2, 4, 1, 3)
    return fit_batch(cells.reshape(-1, downscale**2, height, width), latent.shape[0])
