"""Token sequences in the fixed lengths that text encoders take.

A prompt's tokens come in *words*: the tokens of one stretch of text, or the vectors of one embedding. Words are
packed into chunks, each framed by the encoder's start and end tokens and filled up with its padding token.
A word of fewer than eight tokens is never split between two chunks; a longer one is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

NO_WORD = 0
"""Word id of start, end and padding tokens; the prompt's own words count from 1."""

_SPLITTABLE = 8


@dataclass(frozen=True, eq=False)
class EmbeddingVector:
    """A vector [width] that takes the place of one token's embedding; ``name`` is the embedding's in the prompt."""

    values: Tensor
    name: str


Token = int | EmbeddingVector


class Word(NamedTuple):
    """Tokens that belong together, with the weight they share."""

    tokens: Sequence[Token]
    weight: float


@dataclass(frozen=True, eq=False)
class Chunk:
    """One sequence for a text encoder; the three tuples are of equal length.

    Attributes:
        tokens: ids, or vectors in their place.
        weights: emphasis of each token; 1 for start, end and padding.
        words: which word of the prompt a token belongs to, or ``NO_WORD``.
    """

    tokens: tuple[Token, ...]
    weights: tuple[float, ...]
    words: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, kw_only=True)
class TokenLayout:
    """How an encoder wants its sequences.

    Attributes:
        key: the encoder's name in embedding files and tokenizer options: ``clip_l``, ``clip_g``, ``t5xxl`` ...
        start: id of the token before the text, if there is one.
        end: id of the token after the text.
        pad: id of the token that fills up.
        length: tokens in every chunk, frame included; None for one chunk of any length.
        min_length: least number of tokens in the last chunk.
        min_padding: least number of padding tokens after the end token of the last chunk.
    """

    key: str
    start: int | None
    end: int
    pad: int
    length: int | None = None
    min_length: int = 0
    min_padding: int = 0

    def empty(self, length: int) -> Chunk:
        """The chunk of an empty prompt, with ``length`` tokens."""
        frame = _Frame(self)
        return frame.closed(pad_to=length)

    def pack(self, words: Iterable[Word]) -> list[Chunk]:
        """The words in at least one chunk, in order."""
        frame, chunks = _Frame(self), []
        longest = frame.room
        for number, word in enumerate(words, start=1):
            left = word.tokens
            splittable = len(left) >= _SPLITTABLE or len(left) > longest
            while len(left) > frame.room:
                fitting = frame.room if splittable else 0
                frame.add(left[:fitting], word.weight, number)
                chunks.append(frame.closed(pad_to=self.length or 0))
                left, frame = left[fitting:], _Frame(self)
            frame.add(left, word.weight, number)
        chunks.append(frame.closed(pad_to=max(self.length or 0, self.min_length), padding=self.min_padding))
        return chunks

    def with_options(self, options: Mapping[str, int]) -> TokenLayout:
        """The layout with the options ``<key>_min_length`` and ``<key>_min_padding``; others are for other encoders."""
        return replace(
            self,
            min_length=int(options.get(f"{self.key}_min_length", self.min_length)),
            min_padding=int(options.get(f"{self.key}_min_padding", self.min_padding)),
        )


class _Frame:
    """A chunk under construction."""

    def __init__(self, layout: TokenLayout) -> None:
        self._layout = layout
        self._tokens: list[Token] = [] if layout.start is None else [layout.start]
        self._weights = [1.0] * len(self._tokens)
        self._words = [NO_WORD] * len(self._tokens)

    @property
    def room(self) -> int:
        """How many tokens fit before the end token."""
        if self._layout.length is None:
            return sys.maxsize
        return self._layout.length - 1 - len(self._tokens)

    def add(self, tokens: Sequence[Token], weight: float, word: int) -> None:
        self._tokens.extend(tokens)
        self._weights.extend(repeat(weight, len(tokens)))
        self._words.extend(repeat(word, len(tokens)))

    def closed(self, *, pad_to: int, padding: int = 0) -> Chunk:
        self.add([self._layout.end], 1.0, NO_WORD)
        padding = max(padding, pad_to - len(self._tokens))
        self.add([self._layout.pad] * padding, 1.0, NO_WORD)
        return Chunk(tuple(self._tokens), tuple(self._weights), tuple(self._words))
