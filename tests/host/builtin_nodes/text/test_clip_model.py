"""CLIP text models for given dimensions."""

from __future__ import annotations

import torch

from host.builtin_nodes.text.clip_model import clip_config, clip_text_model

CONFIG = clip_config(vocabulary=50, width=128, mlp=200, layers=2, heads=2, positions=77, projection=96)


def test_dimensions_reach_the_configuration() -> None:
    assert (CONFIG.vocab_size, CONFIG.hidden_size, CONFIG.intermediate_size) == (50, 128, 200)
    assert (CONFIG.num_hidden_layers, CONFIG.num_attention_heads, CONFIG.max_position_embeddings) == (2, 2, 77)
    assert (CONFIG.hidden_act, CONFIG.projection_dim) == ("quick_gelu", 96)


def test_nothing_but_parameters_is_left_on_the_meta_device() -> None:
    with torch.device("meta"):
        model = clip_text_model(CONFIG, projected=True)

    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert {buffer.device.type for buffer in model.buffers()} == {"cpu"}


def test_a_model_is_ready_for_use_and_not_for_training() -> None:
    model = clip_text_model(CONFIG)

    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
