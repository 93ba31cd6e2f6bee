"""Prompts as chunks for CLIP encoders."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.text.chunks import EmbeddingVector
from host.builtin_nodes.text.clip_tokens import CLIP_G, CLIP_L, PromptTokenizer, clip_prompt_tokenizer
from host.builtin_nodes.text.errors import PromptError


class TwoEmbeddings:
    """``one`` has a single vector, ``two,`` (with the comma) two."""

    def load(self, name: str, key: str) -> Tensor | None:
        return {"one": torch.ones(1, 8), "two,": torch.full((2, 8), 2.0)}.get(name)


@pytest.fixture
def tokenizer() -> PromptTokenizer:
    return clip_prompt_tokenizer(CLIP_L, TwoEmbeddings())


def shown(tokenizer: PromptTokenizer, prompt: str) -> list[int | str]:
    """The tokens between start and end; vectors by their embedding's name."""
    tokens = tokenizer.tokenize(prompt).chunks[0].tokens[1:]
    return [t.name if isinstance(t, EmbeddingVector) else t for t in tokens[: tokens.index(49407)]]


def test_each_encoder_pads_in_its_own_way() -> None:
    large, giant = (clip_prompt_tokenizer(layout).tokenize("a cat").chunks[0] for layout in (CLIP_L, CLIP_G))

    assert large.tokens == (49406, 320, 2368, *[49407] * 74)
    assert giant.tokens == (49406, 320, 2368, 49407, *[0] * 73)


def test_weights_follow_the_emphasis() -> None:
    (chunk,) = clip_prompt_tokenizer(CLIP_L).tokenize("a (cat:1.3)").chunks

    assert chunk.weights[:4] == (1.0, 1.0, 1.3, 1.0)


def test_disabled_weights_leave_parentheses_as_text() -> None:
    (chunk,) = clip_prompt_tokenizer(CLIP_L).tokenize("((x))", disable_weights=True).chunks

    assert chunk.tokens[1:4] == (13796, 343, 5167)
    assert set(chunk.weights) == {1.0}


def test_a_vector_takes_the_place_of_a_token(tokenizer: PromptTokenizer) -> None:
    assert shown(tokenizer, "a embedding:one b") == [320, "one", 321]


def test_a_comma_after_a_name_is_text_unless_a_file_is_so_named(tokenizer: PromptTokenizer) -> None:
    assert shown(tokenizer, "embedding:one, cat") == ["one", 267, 2368]
    assert shown(tokenizer, "embedding:two, cat") == ["two", "two", 2368]


def test_a_reference_inside_another_word_is_text(tokenizer: PromptTokenizer) -> None:
    assert "one" not in shown(tokenizer, "xembedding:one [embedding:one]")


def test_a_missing_embedding_is_left_out_and_reported(
    tokenizer: PromptTokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        tokenized = tokenizer.tokenize("a embedding:nowhere, b")

    assert tokenized.missing == ("nowhere",)
    assert "'nowhere'" in caplog.text
    assert shown(tokenizer, "a embedding:nowhere, b") == [320, 267, 321]


def test_a_reference_without_a_name_is_refused(tokenizer: PromptTokenizer) -> None:
    with pytest.raises(PromptError, match="a name must follow"):
        tokenizer.tokenize("a embedding: ")


def test_without_embeddings_references_are_read_as_text() -> None:
    assert shown(clip_prompt_tokenizer(CLIP_L), "embedding:one") == [19703, 796, 281, 637]


def test_an_encoder_with_more_positions_gets_longer_chunks() -> None:
    (chunk,) = clip_prompt_tokenizer(CLIP_L, length=248).tokenize("cat " * 200).chunks

    assert len(chunk) == 248
