"""CLIP text models (Radford et al. 2021) for given dimensions."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from typing import cast

import torch
from torch.nn import Module
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from host.builtin_nodes.text.clip_vocabulary import END_TOKEN, START_TOKEN


def clip_config(
    *,
    vocabulary: int,
    width: int,
    mlp: int,
    layers: int,
    heads: int,
    positions: int,
    activation: str = "quick_gelu",
    projection: int | None = None,
) -> CLIPTextConfig:
    """The configuration of a text model.

    Args:
        width: channels of the tokens' states.
        mlp: channels between the two linear layers of a block.
        activation: ``quick_gelu`` (CLIP-L) or ``gelu`` (OpenCLIP's H and bigG).
        projection: width of the projected pooled vector, where there is a projection.
    """
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=positions,
        hidden_act=activation,
        projection_dim=projection or width,
        bos_token_id=START_TOKEN,
        eos_token_id=END_TOKEN,
        pad_token_id=END_TOKEN,
    )


def clip_text_model(config: CLIPTextConfig, *, projected: bool = False) -> Module:
    """The module, in evaluation mode; under the meta device its parameters are without storage.

    Parameter names are those of transformers' ``CLIPTextModel``; with ``projected`` they are prefixed by
    ``text_model.`` and ``text_projection.weight`` [projection, width] joins them.
    """
    model = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    text_model = model.text_model if projected else model
    positions = torch.arange(config.max_position_embeddings, device="cpu")
    # No file needs to hold this buffer, so it must not stay on the meta device.
    text_model.embeddings.register_buffer("position_ids", positions[None], persistent=False)
    model.eval().requires_grad_(False)
    return cast(Module, model)
