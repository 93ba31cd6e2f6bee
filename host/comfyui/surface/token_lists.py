"""Tokenized prompts as packs take them apart: by encoder, chunks of (token, weight)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.builtin_nodes.text.chunks import NO_WORD, Chunk, EmbeddingVector
from host.builtin_nodes.text.clip_tokens import TokenizedPrompt

_PREFIX = "clip_"
_EMBEDDING = "embedding"


def to_lists(tokens: Any, adapter: Any, *, with_words: bool) -> dict[str, list[Any]]:
    """A tokenized prompt as packs know it; a vector in a token's place is a tensor there."""
    by_encoder = tokens if isinstance(tokens, Mapping) else {_only(adapter): tokens}
    return {
        key.removeprefix(_PREFIX): [_chunk(chunk, with_words) for chunk in prompt.chunks]
        for key, prompt in by_encoder.items()
    }


def from_lists(tokens: Mapping[str, list[Any]], adapter: Any) -> Any:
    """The tokenized prompt that the adapter takes, of what a pack has made of ``to_lists``."""
    encoders = getattr(adapter, "encoders", None)
    if encoders is None:
        return _prompt(tokens[_only(adapter).removeprefix(_PREFIX)])
    return {key: _prompt(tokens[short]) for key in encoders if (short := key.removeprefix(_PREFIX)) in tokens}


def _only(adapter: Any) -> str:
    layout = getattr(adapter, "layout", None)
    return "t5xxl" if layout is None else str(layout.key)


def _chunk(chunk: Chunk, with_words: bool) -> list[tuple[Any, ...]]:
    tokens = [token.values if isinstance(token, EmbeddingVector) else token for token in chunk.tokens]
    rows = zip(tokens, chunk.weights, chunk.words, strict=True)
    return [row if with_words else row[:2] for row in rows]


def _prompt(chunks: list[Any]) -> TokenizedPrompt:
    return TokenizedPrompt(tuple(_made(rows) for rows in chunks))


def _made(rows: list[Any]) -> Chunk:
    tokens = tuple(row[0] if isinstance(row[0], int) else EmbeddingVector(row[0], name=_EMBEDDING) for row in rows)
    words = tuple(int(row[2]) if len(row) > 2 else NO_WORD for row in rows)
    return Chunk(tokens, tuple(float(row[1]) for row in rows), words)
