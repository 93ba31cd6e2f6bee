"""Prompts as tokens for T5, with a vocabulary small enough to make here."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from host.builtin_nodes.text.errors import T5VocabularyError
from host.builtin_nodes.text.t5_tokens import t5_prompt_tokenizer


def test_a_prompt_is_one_chunk_with_an_end_token_and_padding(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"?": 2, "a": 3, "cat": 4}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))

    (chunk,) = t5_prompt_tokenizer(tmp_path / "tokenizer.json", min_length=6).tokenize("a (cat:1.5)").chunks

    assert chunk.tokens == (3, 4, 1, 0, 0, 0)
    assert chunk.weights == (1.0, 1.5, 1.0, 1.0, 1.0, 1.0)


def test_a_missing_or_broken_vocabulary_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")

    for name in ("gone.json", "broken.json"):
        with pytest.raises(T5VocabularyError, match=name):
            t5_prompt_tokenizer(tmp_path / name, min_length=77)
