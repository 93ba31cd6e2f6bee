"""Builds diffusers' control network for Flux for a configuration."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

import warnings

from diffusers import FluxControlNetModel
from torch.nn import Linear

from host.builtin_nodes.controlnet.flux.config import FluxControlConfig
from host.builtin_nodes.families.flux.config import PATCH
from host.builtin_nodes.families.flux.module import OptionalGuidance


def build_flux_control(config: FluxControlConfig) -> FluxControlNetModel:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    with warnings.catch_warnings():
        # diffusers' network imports one of its own layers from where it was before.
        warnings.simplefilter("ignore", FutureWarning)
        model = _built(config)
    if config.hint_channels != config.in_channels:
        model.controlnet_x_embedder = Linear(config.hint_channels * PATCH**2, config.hidden)
    if config.guidance:
        model.time_text_embed.__class__ = OptionalGuidance
    return model.eval().requires_grad_(False)


def _built(config: FluxControlConfig) -> FluxControlNetModel:
    return FluxControlNetModel(
        # How many cells of what it makes of a picture are one token; it gets everything else as tokens.
        patch_size=PATCH if config.pictures else 1,
        in_channels=config.in_channels * PATCH**2,
        num_layers=config.double_blocks,
        num_single_layers=config.single_blocks,
        attention_head_dim=config.hidden // config.heads,
        num_attention_heads=config.heads,
        joint_attention_dim=config.context_channels,
        pooled_projection_dim=config.pooled_channels,
        guidance_embeds=config.guidance,
        axes_dims_rope=list(config.rotary),
        num_mode=config.control_types,
        conditioning_embedding_channels=config.hint_channels if config.pictures else None,
    )
