"""Builds diffusers' UNet for a configuration."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diffusers import UNet2DConditionModel
from diffusers.models.embeddings import TimestepEmbedding, Timesteps

from host.builtin_nodes.families.group_norm import NORM_GROUPS
from host.builtin_nodes.families.ldm_unet.config import UnetConfig

# The original code's epsilon in residual blocks; diffusers' transformers have 1e-6 of their own, as the original's.
_RESIDUAL_EPSILON = 1e-5


def build_unet(config: UnetConfig) -> UNet2DConditionModel:
    """The module in evaluation mode; under the meta device its parameters are without storage.

    Vector conditioning goes in as ``class_labels``, which the module puts through two linear layers.
    """
    down = [_per_block(depths) for depths in config.down_depths]
    down[-1] = down[-1] or config.middle_depth
    unet = UNet2DConditionModel(
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        block_out_channels=tuple(config.channels),
        layers_per_block=tuple(len(depths) for depths in config.down_depths),
        down_block_types=tuple("CrossAttnDownBlock2D" if any(d) else "DownBlock2D" for d in config.down_depths),
        up_block_types=tuple("CrossAttnUpBlock2D" if any(d) else "UpBlock2D" for d in reversed(config.up_depths)),
        mid_block_type=_middle_type(config),
        transformer_layers_per_block=down,
        reverse_transformer_layers_per_block=[_per_block(depths) for depths in reversed(config.up_depths)],
        # diffusers calls the number of heads by this name.
        attention_head_dim=tuple(config.heads),
        cross_attention_dim=config.context_channels,
        use_linear_projection=config.linear_projections,
        norm_num_groups=NORM_GROUPS,
        norm_eps=_RESIDUAL_EPSILON,
        time_embedding_dim=config.time_channels,
        class_embed_type="projection" if config.vector_channels else None,
        projection_class_embeddings_input_dim=config.vector_channels,
    )
    if config.model_channels != config.channels[0]:
        unet.time_proj = Timesteps(config.model_channels, flip_sin_to_cos=True, downscale_freq_shift=0)
        unet.time_embedding = TimestepEmbedding(config.model_channels, config.time_channels)
    return unet.eval().requires_grad_(False)


def _middle_type(config: UnetConfig) -> str | None:
    """Without attention in it, diffusers' middle block is one residual block."""
    if not config.has_middle:
        return None
    return "UNetMidBlock2DCrossAttn" if config.middle_depth else "UNetMidBlock2D"


def _per_block(depths: Sequence[int]) -> Any:
    """One number where all blocks are alike, which diffusers wants where there is no attention."""
    return depths[0] if len(set(depths)) == 1 else list(depths)
