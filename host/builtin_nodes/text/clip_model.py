"""CLIP text models (Radford et al. 2021) from the shapes of their tensors.

Names are those of the original layout under ``text_model.``, which are also the module's own.
"""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor
from torch.nn import Module
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from host.builtin_nodes.text.clip_vocabulary import END_TOKEN, START_TOKEN
from host.builtin_nodes.text.errors import EncoderWeightsError

_TOKENS = "embeddings.token_embedding.weight"
_POSITIONS = "embeddings.position_embedding.weight"
_FIRST_MLP = "encoder.layers.0.mlp.fc1.weight"
_LAYER = "encoder.layers.{}.layer_norm1.weight"
# A buffer that can be computed, in the files of older training code.
_COMPUTED = "embeddings.position_ids"
_CHANNELS_PER_HEAD = 64


def clip_config_from_shapes(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    heads: int | None = None,
    activation: str = "quick_gelu",
    projection: int | None = None,
) -> CLIPTextConfig:
    """The configuration of the model that tensors of these shapes belong to.

    Args:
        shapes: by name under ``text_model.``; other names are ignored.
        heads: attention heads, which shapes don't tell; one for 64 channels if not given.
        activation: ``quick_gelu`` (CLIP-L) or ``gelu`` (OpenCLIP's H and bigG).
        projection: width of the projected pooled vector, where there is a projection.

    Raises:
        EncoderWeightsError: a tensor that decides a dimension is missing, or has an impossible shape.
    """
    problems = [
        f"{name} should have two dimensions, has shape {list(shapes[name])}" if name in shapes else f"{name} is missing"
        for name in (_TOKENS, _POSITIONS, _FIRST_MLP)
        if len(shapes.get(name, ())) != 2
    ]
    if problems:
        raise EncoderWeightsError(problems)
    vocabulary, width = shapes[_TOKENS]
    layers = 0
    while _LAYER.format(layers) in shapes:
        layers += 1
    heads = heads or max(1, width // _CHANNELS_PER_HEAD)
    if layers == 0 or width % heads:
        raise EncoderWeightsError([f"{layers} layers of {width} channels in {heads} heads are impossible"])
    return CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=shapes[_FIRST_MLP][0],
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=shapes[_POSITIONS][0],
        hidden_act=activation,
        projection_dim=projection or width,
        bos_token_id=START_TOKEN,
        eos_token_id=END_TOKEN,
        pad_token_id=END_TOKEN,
    )


def clip_text_model(config: CLIPTextConfig, *, projected: bool = False) -> Module:
    """The module, in evaluation mode; under the meta device its parameters are without storage.

    Parameter names are those of ``clip_config_from_shapes``; with ``projected`` they are prefixed by
    ``text_model.`` and ``text_projection.weight`` [projection, width] joins them.
    """
    model = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    text_model = model.text_model if projected else model
    positions = torch.arange(config.max_position_embeddings, device="cpu")
    # No file needs to hold this buffer, so it must not stay on the meta device.
    text_model.embeddings.register_buffer("position_ids", positions[None], persistent=False)
    model.eval().requires_grad_(False)
    return cast(Module, model)


def load_clip_text_model(config: CLIPTextConfig, weights: Mapping[str, Tensor]) -> Module:
    """The module with ``weights`` (names under ``text_model.``) as its parameters, not copied.

    Raises:
        EncoderWeightsError: tensors are missing, unknown, or of another shape.
    """
    with torch.device("meta"):
        model = clip_text_model(config)
    expected = model.state_dict()
    given = {name: tensor for name, tensor in weights.items() if name != _COMPUTED}
    problems = [f"{name} is missing" for name in expected.keys() - given.keys()]
    problems += [f"{name} is unknown" for name in given.keys() - expected.keys()]
    problems += [
        f"{name} has shape {list(given[name].shape)} instead of {list(expected[name].shape)}"
        for name in expected.keys() & given.keys()
        if given[name].shape != expected[name].shape
    ]
    if problems:
        raise EncoderWeightsError(sorted(problems))
    model.load_state_dict(given, assign=True)
    return model.requires_grad_(False)
