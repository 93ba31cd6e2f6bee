"""Builds diffusers' Flux transformer for a configuration."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from diffusers import FluxTransformer2DModel
from diffusers.models.embeddings import CombinedTimestepGuidanceTextProjEmbeddings
from torch import Tensor

from host.builtin_nodes.families.flux.config import LATENT_CHANNELS, PATCH, FluxConfig
from host.builtin_nodes.families.mmdit.modulation import shift_first


class OptionalGuidance(CombinedTimestepGuidanceTextProjEmbeddings):
    """The embedding of time, guidance and pooled text, of which guidance may be left out of a run."""

    def forward(self, timestep: Tensor, *others: Tensor) -> Tensor:
        """``others`` are guidance, or nothing, and the pooled text [batch, width]."""
        *guidance, pooled = others
        embedded: Tensor = self.timestep_embedder(self.time_proj(timestep).to(pooled.dtype))
        if guidance:
            embedded = embedded + self.guidance_embedder(self.time_proj(guidance[0]).to(pooled.dtype))
        return embedded + self.text_embedder(pooled)


def build_flux(config: FluxConfig) -> FluxTransformer2DModel:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    model = FluxTransformer2DModel(
        patch_size=1,
        in_channels=config.in_channels * PATCH**2,
        out_channels=LATENT_CHANNELS * PATCH**2,
        num_layers=config.double_blocks,
        num_single_layers=config.single_blocks,
        attention_head_dim=config.hidden // config.heads,
        num_attention_heads=config.heads,
        joint_attention_dim=config.context_channels,
        pooled_projection_dim=config.pooled_channels,
        guidance_embeds=config.guidance,
        axes_dims_rope=tuple(config.rotary),
    )
    if config.guidance:
        model.time_text_embed.__class__ = OptionalGuidance
    if config.original_layout:
        shift_first(model.norm_out)
    return model.eval().requires_grad_(False)
