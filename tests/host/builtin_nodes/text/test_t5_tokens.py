"""Prompts as tokens for T5, with a vocabulary small enough to make here."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordLevel
from tokenizers.pre_tokenizers import Metaspace, Whitespace

from host.builtin_nodes.text.errors import T5VocabularyError
from host.builtin_nodes.text.t5_tokens import t5_prompt_tokenizer


def test_a_prompt_is_one_chunk_with_an_end_token_and_padding(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"?": 2, "a": 3, "cat": 4}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))

    (chunk,) = t5_prompt_tokenizer(tmp_path / "tokenizer.json", min_length=6).tokenize("a (cat:1.5)").chunks

    assert chunk.tokens == (3, 4, 1, 0, 0, 0)
    assert chunk.weights == (1.0, 1.5, 1.0, 1.0, 1.0, 1.0)


def test_a_word_after_a_special_token_begins_as_any_word_does(tmp_path: Path) -> None:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), ("cat", -3.0), ("\u2581cat", -1.0)]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = Metaspace(prepend_scheme="first")
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))

    (chunk,) = t5_prompt_tokenizer(tmp_path / "tokenizer.json", min_length=0).tokenize("cat<pad>cat cat").chunks

    assert chunk.tokens == (5, 0, 5, 5, 1)


def test_a_missing_or_broken_vocabulary_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "other.json").write_text('{"vocab": {}}')

    for name in ("gone.json", "broken.json", "list.json", "other.json"):
        with pytest.raises(T5VocabularyError, match=name):
            t5_prompt_tokenizer(tmp_path / name, min_length=77)


def test_a_vocabulary_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for ids in ({"?": 2, "cat": 4}, {"?": 2, "cat": 4711}):
        Tokenizer(WordLevel(ids, unk_token="?")).save(str(path))
        (chunk,) = t5_prompt_tokenizer(path, min_length=0).tokenize("cat").chunks
        assert chunk.tokens == (ids["cat"], 1)
