"""Builds diffusers' control networks for a configuration."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from typing import Any

from diffusers import ControlNetModel, ControlNetUnionModel
from diffusers.models.embeddings import TimestepEmbedding, Timesteps

from host.builtin_nodes.controlnet.network_config import ControlNetConfig
from host.builtin_nodes.families.group_norm import NORM_GROUPS

_RESIDUAL_EPSILON = 1e-5


def build_control_net(config: ControlNetConfig) -> Any:
    """The module in evaluation mode; under the meta device its parameters are without storage.

    Vector conditioning goes in as ``class_labels``, which the module puts through two linear layers.
    """
    depths = [blocks[0] for blocks in config.down_depths]
    options: dict[str, Any] = {
        "in_channels": config.in_channels,
        "conditioning_channels": config.hint_channels,
        "block_out_channels": tuple(config.channels),
        "layers_per_block": len(config.down_depths[0]),
        "down_block_types": tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths),
        # The middle block is as deep as the last number says.
        "transformer_layers_per_block": [*depths[:-1], depths[-1] or config.middle_depth or 1],
        # diffusers calls the number of heads by this name.
        "attention_head_dim": tuple(config.heads),
        "cross_attention_dim": config.context_channels,
        "use_linear_projection": config.linear_projections,
        "norm_num_groups": NORM_GROUPS,
        "norm_eps": _RESIDUAL_EPSILON,
        "class_embed_type": "projection" if config.vector_channels else None,
        "projection_class_embeddings_input_dim": config.vector_channels,
        "conditioning_embedding_out_channels": tuple(config.hint_widths),
    }
    module: Any
    if config.control_types is None:
        middle = "UNetMidBlock2DCrossAttn" if config.middle_depth else "UNetMidBlock2D"
        module = ControlNetModel(mid_block_type=middle, **options)
    else:
        module = ControlNetUnionModel(
            num_control_type=config.control_types,
            num_trans_channel=config.task_width,
            num_trans_layer=config.task_layers,
            num_proj_channel=config.channels[0],
            addition_time_embed_dim=config.type_width,
            **options,
        )
    if (config.model_channels, config.time_channels) != (config.channels[0], config.channels[0] * 4):
        module.time_proj = Timesteps(config.model_channels, flip_sin_to_cos=True, downscale_freq_shift=0)
        module.time_embedding = TimestepEmbedding(config.model_channels, config.time_channels)
    return module.eval().requires_grad_(False)
