from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CLIPTextConfig

from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
from host.builtin_nodes.families.clip_text.plugin import ClipTextFamily
from host.builtin_nodes.text.clip_model import clip_text_model
from host.builtin_nodes.text.clip_tokens import CLIP_H, CLIP_L
from sdk import Identity
from tests.host.builtin_nodes.families.real_headers import header_of
from tests.host.builtin_nodes.families.variants import tensors_of, without

POSITIONS = 16


def _encoder() -> Any:
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


@pytest.mark.parametrize("options", [{}, {"stop_at_layer": -2}, {"stop_at_layer": -3}])
def test_an_encoder_without_the_layer_that_nobody_uses_gives_what_the_whole_one_does(options: dict[str, int]) -> None:
    whole, short = _encoder(), _encoder()
    del short.encoder.layers[-1]
    complete, shortened = (ClipTextAdapter(CLIP_H, POSITIONS, stop=-2, left_out=count) for count in (0, 1))
    tokens = complete.tokenize("a cat")

    expected = complete.encode(whole, tokens, options).states
    torch.testing.assert_close(shortened.encode(short, tokens, options).states, expected, atol=0, rtol=0)
    last = shortened.encode(short, tokens, {"stop_at_layer": -1}).states
    torch.testing.assert_close(last, complete.encode(whole, tokens, {}).states, atol=0, rtol=0)


@pytest.mark.parametrize(("gone", "left_out"), [((), 0), (("transformer.resblocks.23.",), 1)])
def test_the_header_tells_whether_the_last_layer_is_there(gone: tuple[str, ...], left_out: int) -> None:
    header = header_of(without(tensors_of("clip_h_openclip"), *gone))
    identity = ClipTextFamily().identify(header)
    assert isinstance(identity, Identity)
    (part,) = ClipTextFamily().parts(header, identity)
    assert (part.adapter.stop, part.adapter.left_out) == (-2, left_out)
