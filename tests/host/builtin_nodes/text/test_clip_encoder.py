"""CLIP text models on chunks of tokens."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import CLIPTextConfig

from host.builtin_nodes.text.chunks import Chunk, EmbeddingVector, Token
from host.builtin_nodes.text.clip_encoder import ClipOutput, encode_clip
from host.builtin_nodes.text.clip_model import clip_text_model

LENGTH, WIDTH, END = 8, 16, 49


@pytest.fixture
def model() -> Any:
    return make_model()


def make_model(*, projected: bool = False) -> Any:
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=50,
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        projection_dim=5,
        eos_token_id=END,
        initializer_factor=5.0,
    )
    return clip_text_model(config, projected=projected)


def chunk(*tokens: Token) -> Chunk:
    filled = (*tokens, *[END] * (LENGTH - len(tokens)))
    return Chunk(filled, (1.0,) * LENGTH, (0,) * LENGTH)


def states(model: Any, *chunks: Chunk, **output: Any) -> Tensor:
    return encode_clip(model, chunks, ClipOutput(**output, pad=END)).states


def test_the_last_layer_with_its_norm_is_the_models_own_output(model: Any) -> None:
    expected = model(input_ids=torch.tensor([[1, 2, 3, *[END] * 5]]))

    found = encode_clip(model, [chunk(1, 2, 3)])

    torch.testing.assert_close(found.states, expected.last_hidden_state, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.pooled, expected.pooler_output, atol=1e-6, rtol=0)


def test_an_earlier_layer_comes_with_or_without_the_final_norm(model: Any) -> None:
    bare = states(model, chunk(1, 2, 3), stop=-2, final_norm=False)

    torch.testing.assert_close(states(model, chunk(1, 2, 3), stop=-2), model.final_layer_norm(bare))
    assert not torch.allclose(bare, states(model, chunk(1, 2, 3), stop=-3, final_norm=False))
    last = states(model, chunk(1, 2, 3), stop=-1, final_norm=False)
    torch.testing.assert_close(model.final_layer_norm(last), states(model, chunk(1, 2, 3)))


def test_a_stop_beyond_the_first_layer_means_the_last_and_is_reported(
    model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = states(model, chunk(1, 2), stop=-4)

    assert found.equal(states(model, chunk(1, 2)))
    assert "has 3 layers" in caplog.text


def test_a_stop_beyond_the_first_layer_means_the_normed_last_one_for_every_family(model: Any) -> None:
    assert states(model, chunk(1, 2), stop=-4, final_norm=False).equal(states(model, chunk(1, 2)))
    assert not states(model, chunk(1, 2), stop=-1, final_norm=False).equal(states(model, chunk(1, 2)))


def test_a_projection_projects_the_pooled_vector_only() -> None:
    projected = make_model(projected=True)

    found = encode_clip(projected, [chunk(1, 2, 3)])

    assert found.states.shape == (1, LENGTH, WIDTH)
    plain = encode_clip(projected.text_model, [chunk(1, 2, 3)])
    torch.testing.assert_close(found.pooled, projected.text_projection(plain.pooled))


def test_a_vector_equal_to_a_tokens_embedding_acts_like_the_token(model: Any) -> None:
    vector = EmbeddingVector(model.get_input_embeddings().weight[7].clone(), name="seven")

    spliced = encode_clip(model, [chunk(1, 2), chunk(1, vector, 3)])
    plain = encode_clip(model, [chunk(1, 2), chunk(1, 7, 3)])

    assert spliced.states.equal(plain.states)
    assert spliced.pooled is not None
    assert plain.pooled is not None
    assert spliced.pooled.equal(plain.pooled)


def test_splicing_leaves_no_trace_in_the_model(model: Any) -> None:
    before = model.get_input_embeddings().weight.clone()

    states(model, chunk(EmbeddingVector(torch.full((WIDTH,), 9.0), name="x")))

    assert model.get_input_embeddings().weight.equal(before)
    assert not model.get_input_embeddings()._forward_hooks


def test_a_vector_of_another_width_is_left_out_and_reported(model: Any, caplog: pytest.LogCaptureFixture) -> None:
    misfit = EmbeddingVector(torch.ones(WIDTH + 1), name="for another model")

    with caplog.at_level(logging.WARNING):
        found = states(model, chunk(1, misfit, 3))

    assert found.equal(states(model, chunk(1, 3)))
    assert "'for another model' is 17 wide, the text encoder 16" in caplog.text


def test_another_threads_prompt_is_not_touched_by_vectors(model: Any) -> None:
    expected = states(model, chunk(1, 2, 3))
    others: list[Tensor] = []
    encoded_elsewhere = threading.Thread(target=lambda: others.append(states(model, chunk(1, 2, 3))))

    def meanwhile(*_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            encoded_elsewhere.start()
            encoded_elsewhere.join()

    hook = model.encoder.register_forward_pre_hook(meanwhile)
    states(model, chunk(1, EmbeddingVector(torch.full((WIDTH,), 9.0), name="x"), 3))

    hook.remove()
    assert others[0].equal(expected)


def test_more_chunks_than_a_batch_holds_come_out_in_order(model: Any) -> None:
    chunks = [chunk(number) for number in range(40)]

    found = states(model, *chunks)

    assert found.shape[0] == 40
    torch.testing.assert_close(found[39:], states(model, chunks[39]), atol=1e-6, rtol=0)


def test_half_precision_weights_give_single_precision_states(model: Any) -> None:
    found = states(model.half(), chunk(1, EmbeddingVector(torch.ones(WIDTH), name="x")))

    assert found.dtype == torch.float32


def test_what_follows_the_first_end_token_can_be_left_unseen(model: Any) -> None:
    one, two = chunk(1, 2, 3), chunk(1, 2, 3, END, 7)
    seen, plain = states(model, one, two, masked_after=END), states(model, one, two)
    # The prompt's own tokens never see what comes later.
    assert torch.equal(seen[:, :4], plain[:, :4])
    expected = model(
        input_ids=torch.tensor([one.tokens]),
        attention_mask=torch.tensor([[1, 1, 1, 1, 0, 0, 0, 0]]),
        output_hidden_states=True,
    )
    torch.testing.assert_close(seen[:1], expected.last_hidden_state)
    assert not torch.allclose(seen[:, 5:], plain[:, 5:])
