"""Prompt weights: each token's state is moved away from, or towards, its state in the empty prompt."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from host.builtin_nodes.text.chunks import Chunk
from host.builtin_nodes.text.emphasis import NEUTRAL


class EncodedChunks(NamedTuple):
    """What an encoder gives for a batch of chunks.

    Attributes:
        states: [chunks, length, width].
        pooled: [chunks, width of the pooled vector], or None where the encoder has none.
    """

    states: Tensor
    pooled: Tensor | None


class EncodedPrompt(NamedTuple):
    """A prompt as a denoiser takes it.

    Attributes:
        states: [1, length, width].
        pooled: [1, width of the pooled vector], or None.
    """

    states: Tensor
    pooled: Tensor | None


Encoder = Callable[[Sequence[Chunk]], EncodedChunks]


def encode_weighted(encode: Encoder, chunks: Sequence[Chunk], empty: Callable[[int], Chunk]) -> EncodedPrompt:
    """The chunks' states one after another, weighted, and the first chunk's pooled vector, which knows no weights.

    With e the state at the same position of the empty prompt, a token of weight w other than 1 gets
    e + w (z - e) in place of its state z.

    Args:
        encode: runs the text encoder.
        chunks: at least one; of equal length if there are several.
        empty: gives the empty prompt's chunk of a length.
    """
    weighted = any(weight != NEUTRAL for chunk in chunks for weight in chunk.weights)
    batch = [*chunks, empty(max(map(len, chunks)))] if weighted else chunks
    states, pooled = encode(batch)
    if weighted:
        states = _interpolate(states[:-1], states[-1:], chunks)
    return EncodedPrompt(states.flatten(0, 1)[None], None if pooled is None else pooled[:1])


def _interpolate(states: Tensor, empty: Tensor, chunks: Sequence[Chunk]) -> Tensor:
    weights = torch.tensor([chunk.weights for chunk in chunks], dtype=states.dtype, device=states.device)[..., None]
    # Equal in theory for a weight of 1, but only untouched states keep every bit.
    return torch.where(weights == NEUTRAL, states, empty + weights * (states - empty))


def join_channels(*parts: Tensor, width: int | None = None) -> Tensor:
    """States of several encoders side by side: [1, shortest length, sum of widths], zero-filled up to ``width``."""
    length = min(part.shape[1] for part in parts)
    joined = torch.cat([part[:, :length] for part in parts], dim=-1)
    return joined if width is None else pad(joined, (0, width - joined.shape[-1]))
