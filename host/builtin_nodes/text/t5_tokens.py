"""Prompts as tokens for T5 encoders (Raffel et al. 2020), from a tokenizer file the user has.

The vocabulary is not part of this package: ``tokenizer.json`` lies beside the weights of any T5 v1.1.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import Metaspace

from host.builtin_nodes.text.chunks import TokenLayout
from host.builtin_nodes.text.clip_tokens import Embeddings, PromptTokenizer
from host.builtin_nodes.text.errors import T5VocabularyError

T5_END, T5_PAD = 1, 0


def t5_layout(min_length: int) -> TokenLayout:
    """How T5 wants its sequences, padded to ``min_length``."""
    return TokenLayout(key="t5xxl", start=None, end=T5_END, pad=T5_PAD, min_length=min_length)


def t5_prompt_tokenizer(vocabulary: Path, *, min_length: int, embeddings: Embeddings | None = None) -> PromptTokenizer:
    """A tokenizer that gives one chunk of any length, padded to ``min_length`` (SD3: 77, Flux and Mochi: 256).

    Raises:
        T5VocabularyError: ``vocabulary`` is no tokenizer file.
    """
    tokenizer = _read(vocabulary)

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    return PromptTokenizer(layout=t5_layout(min_length), encode=encode, embeddings=embeddings)


def _read(path: Path) -> Tokenizer:
    try:
        facts = path.stat()
    except OSError as error:
        raise T5VocabularyError(path, str(error)) from error
    return _parsed(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=2)
def _parsed(path: Path, changed: int, size: int) -> Tokenizer:
    """The tokenizer in a file, kept as long as the file is the same: reading it takes half a second."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError) as error:
        raise T5VocabularyError(path, str(error)) from error
    if not isinstance(content, dict) or "model" not in content:
        raise T5VocabularyError(path, "it holds no tokenizer")
    tokenizer = Tokenizer.from_str(text)
    if isinstance(tokenizer.pre_tokenizer, Metaspace):
        # A word right after a special token begins like any other, whatever the file says of first words.
        tokenizer.pre_tokenizer = Metaspace(prepend_scheme="always")
    return tokenizer
