"""CLIP text models from shapes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from host.builtin_nodes.text.clip_model import clip_config_from_shapes, clip_text_model, load_clip_text_model
from host.builtin_nodes.text.errors import EncoderWeightsError


@pytest.fixture
def weights() -> dict[str, Tensor]:
    """A model of width 128 with two layers; its names are those under ``text_model.``."""
    config = CLIPTextConfig(
        vocab_size=50, hidden_size=128, intermediate_size=200, num_hidden_layers=2, num_attention_heads=2
    )
    return dict(CLIPTextModel(config).state_dict())


def shapes_of(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def test_shapes_give_every_dimension_and_a_head_for_64_channels(weights: dict[str, Tensor]) -> None:
    config = clip_config_from_shapes(shapes_of(weights))

    assert (config.vocab_size, config.hidden_size, config.intermediate_size) == (50, 128, 200)
    assert (config.num_hidden_layers, config.num_attention_heads, config.max_position_embeddings) == (2, 2, 77)
    assert config.hidden_act == "quick_gelu"


def test_what_shapes_cannot_tell_is_given(weights: dict[str, Tensor]) -> None:
    config = clip_config_from_shapes(shapes_of(weights), heads=4, activation="gelu", projection=96)

    assert (config.num_attention_heads, config.hidden_act, config.projection_dim) == (4, "gelu", 96)


def test_shapes_of_something_else_are_refused_with_the_missing_names(weights: dict[str, Tensor]) -> None:
    with pytest.raises(EncoderWeightsError, match=r"embeddings\.token_embedding\.weight is missing"):
        clip_config_from_shapes({"embeddings.position_embedding.weight": (77, 64)})
    with pytest.raises(EncoderWeightsError, match="3 heads are impossible"):
        clip_config_from_shapes(shapes_of(weights), heads=3)


def test_loaded_parameters_are_the_tensors_given(weights: dict[str, Tensor]) -> None:
    model = load_clip_text_model(
        clip_config_from_shapes(shapes_of(weights)), {**weights, "embeddings.position_ids": torch.arange(77)[None]}
    )

    for name, parameter in model.named_parameters():
        assert parameter.data_ptr() == weights[name].data_ptr(), name
        assert not parameter.requires_grad
    assert not model.training


def test_nothing_but_parameters_is_left_on_the_meta_device(weights: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        model = clip_text_model(clip_config_from_shapes(shapes_of(weights)), projected=True)

    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert {buffer.device.type for buffer in model.buffers()} == {"cpu"}


def test_missing_unknown_and_misshapen_tensors_are_named_together(weights: dict[str, Tensor]) -> None:
    config = clip_config_from_shapes(shapes_of(weights))
    del weights["final_layer_norm.bias"]
    weights["extra"] = torch.ones(1)
    weights["encoder.layers.1.mlp.fc2.bias"] = torch.ones(3)

    with pytest.raises(EncoderWeightsError) as caught:
        load_clip_text_model(config, weights)

    assert caught.value.problems == [
        "encoder.layers.1.mlp.fc2.bias has shape [3] instead of [128]",
        "extra is unknown",
        "final_layer_norm.bias is missing",
    ]
