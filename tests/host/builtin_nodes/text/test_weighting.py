"""Weights by interpolation from the empty prompt."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from host.builtin_nodes.text.chunks import Chunk, TokenLayout, Word
from host.builtin_nodes.text.weighting import EncodedChunks, encode_weighted, join_channels

LAYOUT = TokenLayout(key="clip_l", start=10, end=11, pad=12, length=6)


class Squares:
    """An encoder whose state is [id, id squared] and whose pooled vector is the first state."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, chunks: Sequence[Chunk]) -> EncodedChunks:
        self.batches.append(len(chunks))
        ids = torch.tensor([chunk.tokens for chunk in chunks], dtype=torch.float32)
        states = torch.stack([ids, ids**2], dim=-1)
        return EncodedChunks(states, states[:, 1])


def test_a_weighted_token_is_moved_away_from_the_empty_prompt_and_others_stay() -> None:
    chunks = LAYOUT.pack([Word([3], 1.0), Word([4], 2.0), Word([5], 0.0)])

    states, _ = encode_weighted(Squares(), chunks, LAYOUT.empty)

    # The empty prompt is 10 11 12 12 12 12.
    assert states[0, :, 0].tolist() == [10, 3, 12 + 2 * (4 - 12), 12, 11, 12]
    assert states[0, 2, 1] == 144 + 2 * (16 - 144)


def test_without_weights_the_empty_prompt_is_not_encoded() -> None:
    encoder = Squares()

    encode_weighted(encoder, LAYOUT.pack([Word([3], 1.0)]), LAYOUT.empty)
    encode_weighted(encoder, LAYOUT.pack([Word([3], 0.5)]), LAYOUT.empty)

    assert encoder.batches == [1, 2]


def test_chunks_follow_one_another_and_the_first_gives_the_pooled_vector() -> None:
    chunks = LAYOUT.pack([Word([1, 2, 3], 3.0), Word([4, 5, 6], 1.0)])

    states, pooled = encode_weighted(Squares(), chunks, LAYOUT.empty)

    assert states.shape == (1, 12, 2)
    assert states[0, 7:10, 0].tolist() == [4, 5, 6]
    assert pooled is not None
    assert pooled.tolist() == [[1, 1]]


def test_an_infinite_weight_spoils_its_own_token_only() -> None:
    chunks = LAYOUT.pack([Word([3], float("inf")), Word([4], 1.0)])

    states, _ = encode_weighted(Squares(), chunks, LAYOUT.empty)

    assert states[0, 2].tolist() == [4, 16]
    assert not states[0, 1].isfinite().all()


def test_joined_channels_are_cut_to_the_shorter_and_filled_up_to_the_width() -> None:
    joined = join_channels(torch.ones(1, 4, 2), torch.ones(1, 3, 3), width=8)

    assert joined.shape == (1, 3, 8)
    assert joined[0, 0].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
