"""Prompts as chunks of tokens: emphasis, ``embedding:name`` references, and each encoder's framing.

>>> [chunk.tokens[:4] for chunk in clip_prompt_tokenizer(CLIP_L).tokenize("a (cat:1.2)").chunks]
[(49406, 320, 2368, 49407)]
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from host.builtin_nodes.text.chunks import Chunk, EmbeddingVector, Token, TokenLayout, Word
from host.builtin_nodes.text.clip_vocabulary import END_TOKEN, START_TOKEN, clip_tokenizer
from host.builtin_nodes.text.emphasis import NEUTRAL, Segment, split_emphasis, unescape
from host.builtin_nodes.text.errors import PromptError

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

CLIP_L = TokenLayout(key="clip_l", start=START_TOKEN, end=END_TOKEN, pad=END_TOKEN, length=77)
CLIP_G = TokenLayout(key="clip_g", start=START_TOKEN, end=END_TOKEN, pad=0, length=77)
CLIP_H = TokenLayout(key="clip_h", start=START_TOKEN, end=END_TOKEN, pad=0, length=77)

_REFERENCE = re.compile(r"(?:^|[ \n])embedding:")


class Embeddings(Protocol):
    """Where ``embedding:name`` finds its vectors."""

    def load(self, name: str, key: str) -> Tensor | None:
        """Vectors [count, width] for encoder ``key``, or None where nothing has the name."""


@dataclass(frozen=True, eq=False)
class TokenizedPrompt:
    """What a prompt became.

    Attributes:
        chunks: at least one.
        missing: names of embeddings that were not found; the prompt was read as if they were not there.
    """

    chunks: tuple[Chunk, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PromptTokenizer:
    """Turns prompts into chunks for one encoder.

    Attributes:
        layout: the encoder's framing.
        encode: plain text to token ids, without start and end token.
        embeddings: where ``embedding:name`` looks; None reads such words as text.
    """

    layout: TokenLayout
    encode: Callable[[str], list[int]]
    embeddings: Embeddings | None = None

    def tokenize(
        self, prompt: str, *, disable_weights: bool = False, options: Mapping[str, Any] | None = None
    ) -> TokenizedPrompt:
        """The prompt's chunks.

        Args:
            prompt: as the user wrote it.
            disable_weights: read parentheses as text; all weights are 1.
            options: ``<key>_min_length`` and ``<key>_min_padding`` for some encoders, among them perhaps this one.

        Raises:
            PromptError: ``embedding:`` without a name.
            EmbeddingFileError: an embedding's file is unusable.
        """
        segments = [Segment(unescape(prompt), NEUTRAL)] if disable_weights else split_emphasis(prompt)
        missing: list[str] = []
        words = [Word(tokens, segment.weight) for segment in segments for tokens in self._words(segment.text, missing)]
        for name in missing:
            logger.warning("prompt: no embedding named %r (for %s); it is left out", name, self.layout.key)
        chunks = self.layout.with_options(options or {}).pack(words)
        return TokenizedPrompt(tuple(chunks), tuple(missing))

    def empty(self, length: int) -> Chunk:
        """The chunk of an empty prompt, with ``length`` tokens: what weights interpolate from."""
        return self.layout.empty(length)

    def _words(self, text: str, missing: list[str]) -> Iterator[Sequence[Token]]:
        """Tokens of each stretch of text and vectors of each embedding; names not found go into ``missing``."""
        if self.embeddings is None:
            yield self.encode(text)
            return
        first, *references = _REFERENCE.split(text)
        if first:
            yield self.encode(first)
        for reference in references:
            yield from self._reference(reference, self.embeddings, missing)

    def _reference(self, reference: str, embeddings: Embeddings, missing: list[str]) -> Iterator[Sequence[Token]]:
        """The words of what follows ``embedding:``. Commas right after a name are text, unless a file is so named."""
        name, *rest = reference.split() or [""]
        if not name:
            raise PromptError("embedding:", "a name must follow, as in 'embedding:my-style'")
        vectors, bare = embeddings.load(name, self.layout.key), name.rstrip(",")
        commas = ""
        if vectors is None and bare != name:
            vectors, commas = embeddings.load(bare, self.layout.key), name[len(bare) :]
        if vectors is None:
            missing.append(bare or name)
        else:
            yield [EmbeddingVector(row, name=bare) for row in vectors]
        if text := f"{commas} {' '.join(rest)}".strip():
            yield self.encode(text)


def clip_prompt_tokenizer(
    layout: TokenLayout, embeddings: Embeddings | None = None, *, length: int | None = None
) -> PromptTokenizer:
    """A tokenizer for a CLIP text encoder; ``length`` where the encoder has another number of positions than 77."""
    layout = replace(layout, length=length or layout.length)
    return PromptTokenizer(layout=layout, encode=_encode_clip, embeddings=embeddings)


def _encode_clip(text: str) -> list[int]:
    ids: list[int] = clip_tokenizer().encode(text, add_special_tokens=False).ids
    return ids
