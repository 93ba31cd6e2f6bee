from __future__ import annotations

import torch
from transformers import CLIPTextConfig

from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
from host.builtin_nodes.text.clip_model import clip_text_model
from host.builtin_nodes.text.clip_tokens import CLIP_L

POSITIONS = 16


def _encoder() -> torch.nn.Module:
    torch.manual_seed(0)
    config = CLIPTextConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=POSITIONS,
        eos_token_id=49407,
    )
    return clip_text_model(config)


def test_a_prompt_fills_the_encoders_positions() -> None:
    adapter = ClipTextAdapter(CLIP_L, POSITIONS)
    found = adapter.encode(_encoder(), adapter.tokenize("a cat"), {})
    assert found.states.shape == (1, POSITIONS, 32)
    assert found.pooled is not None
    assert found.pooled.shape == (1, 32)


def test_the_layer_follows_the_handles_options() -> None:
    adapter, encoder = ClipTextAdapter(CLIP_L, POSITIONS), _encoder()
    tokens = adapter.tokenize("a cat")
    last, chosen, earlier = (
        adapter.encode(encoder, tokens, options).states
        for options in ({}, {"stop_at_layer": -1}, {"stop_at_layer": -2})
    )
    torch.testing.assert_close(chosen, last, atol=0, rtol=0)
    assert not torch.allclose(earlier, last)
