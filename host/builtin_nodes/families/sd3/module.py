"""Builds diffusers' Stable Diffusion 3 transformer for a configuration."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

import torch
from diffusers import SD3Transformer2DModel

from host.builtin_nodes.families.mmdit.modulation import shift_first
from host.builtin_nodes.families.sd3.config import LATENT_CHANNELS, Sd3Config


def build_sd3(config: Sd3Config) -> SD3Transformer2DModel:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    model = SD3Transformer2DModel(
        sample_size=config.patch,
        patch_size=config.patch,
        in_channels=config.in_channels,
        num_layers=config.blocks,
        attention_head_dim=config.hidden // config.heads,
        num_attention_heads=config.heads,
        joint_attention_dim=config.context_channels,
        caption_projection_dim=config.hidden,
        pooled_projection_dim=config.pooled_channels,
        out_channels=LATENT_CHANNELS,
        pos_embed_max_size=1,
        dual_attention_layers=tuple(config.dual_blocks),
        qk_norm="rms_norm" if config.normed_heads else None,
    )
    # Computing the table that then comes from the file would take seconds.
    positions = model.pos_embed
    positions.pos_embed_max_size = config.positions
    positions.register_buffer("pos_embed", torch.empty(1, config.positions**2, config.hidden))
    if config.original_layout:
        shift_first(model.norm_out)
        shift_first(model.transformer_blocks[-1].norm1_context)
    return model.eval().requires_grad_(False)
