"""Builds diffusers' control network for Stable Diffusion 3 for a configuration."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

import torch
from diffusers import SD3ControlNetModel

from host.builtin_nodes.controlnet.sd3.config import Sd3ControlConfig
from host.builtin_nodes.families.sd3.config import LATENT_CHANNELS


def build_sd3_control(config: Sd3ControlConfig) -> SD3ControlNetModel:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    model = SD3ControlNetModel(
        sample_size=config.patch,
        patch_size=config.patch,
        in_channels=LATENT_CHANNELS,
        num_layers=config.blocks,
        attention_head_dim=config.hidden // config.heads,
        num_attention_heads=config.heads,
        joint_attention_dim=config.context_channels,
        caption_projection_dim=config.hidden,
        pooled_projection_dim=config.pooled_channels,
        out_channels=LATENT_CHANNELS,
        pos_embed_max_size=1,
        extra_conditioning_channels=config.hint_channels - LATENT_CHANNELS,
        dual_attention_layers=tuple(config.dual_blocks),
        qk_norm="rms_norm" if config.normed_heads else None,
        use_pos_embed=config.positions is not None,
    )
    if config.positions is not None:
        # Computing the table that then comes from the file would take seconds.
        model.pos_embed.pos_embed_max_size = config.positions
        model.pos_embed.register_buffer("pos_embed", torch.empty(1, config.positions**2, config.hidden))
    return model.eval().requires_grad_(False)
