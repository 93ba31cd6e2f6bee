"""T5 on chunks of tokens with vectors among them, on a small encoder with random weights."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.families.t5.config import T5Config
from host.builtin_nodes.families.t5.module import build_t5, encode_t5
from host.builtin_nodes.text.chunks import Chunk, EmbeddingVector, Token
from host.builtin_nodes.text.t5_tokens import T5_END, T5_PAD

WIDTH = 16


@pytest.fixture(scope="module")
def encoder() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_t5(T5Config(vocabulary=40, width=WIDTH, inner=32, layers=2, heads=2, head=8, buckets=8))


def chunk(*tokens: Token) -> Chunk:
    return Chunk(tokens, (1.0,) * len(tokens), (1,) * len(tokens))


def states(encoder: torch.nn.Module, *tokens: Token, masked: bool = False) -> Tensor:
    return encode_t5(encoder, [chunk(*tokens)], masked=masked).states


def test_a_vector_counts_as_the_token_whose_row_it_is(encoder: torch.nn.Module) -> None:
    row = EmbeddingVector(encoder.get_input_embeddings().weight[7].clone(), name="seven")  # type: ignore[operator]
    torch.testing.assert_close(states(encoder, 5, row, T5_END), states(encoder, 5, 7, T5_END))


def test_a_vector_for_another_encoder_is_left_out_and_said(
    encoder: torch.nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = EmbeddingVector(torch.ones(WIDTH + 1), name="stranger")
    with caplog.at_level(logging.WARNING):
        found = states(encoder, 5, stranger, 7, T5_END, T5_PAD)
    torch.testing.assert_close(found, states(encoder, 5, 7, T5_END, T5_PAD, T5_PAD))
    assert "embedding 'stranger' is 17 wide, the text encoder 16" in caplog.text


def test_an_earlier_layer_comes_with_the_final_norm(encoder: torch.nn.Module) -> None:
    ids = torch.tensor([[5, 7, T5_END]])
    seen: list[Tensor] = []
    hook = encoder.encoder.block[0].register_forward_hook(lambda _block, _given, result: seen.append(result[0]))  # type: ignore[index, union-attr]
    last = encoder(input_ids=ids).last_hidden_state
    hook.remove()
    normed = encoder.encoder.final_layer_norm(seen[0])  # type: ignore[operator, union-attr]
    chunks = [chunk(5, 7, T5_END)]
    torch.testing.assert_close(encode_t5(encoder, chunks, masked=False, stop=-2).states, normed)
    torch.testing.assert_close(encode_t5(encoder, chunks, masked=False, stop=-1).states, last)
    torch.testing.assert_close(encode_t5(encoder, chunks, masked=False).states, last)


def test_a_stop_beyond_the_first_layer_means_the_last_and_is_reported(
    encoder: torch.nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = encode_t5(encoder, [chunk(5, T5_END)], masked=False, stop=-3).states
    assert found.equal(states(encoder, 5, T5_END))
    assert "has 2 layers" in caplog.text


def test_masked_padding_does_not_take_part(encoder: torch.nn.Module) -> None:
    short, long = (states(encoder, 5, 7, T5_END, *[T5_PAD] * pads, masked=True) for pads in (1, 6))
    torch.testing.assert_close(short[:, :3], long[:, :3])
    open_end = states(encoder, 5, 7, T5_END, *[T5_PAD] * 6)
    assert not torch.allclose(open_end[:, :3], long[:, :3], atol=1e-3)
