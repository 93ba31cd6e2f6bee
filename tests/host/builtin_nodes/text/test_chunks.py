"""Packing words of tokens into an encoder's chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from host.builtin_nodes.text.chunks import NO_WORD, TokenLayout, Word

LAYOUT = TokenLayout(key="clip_l", start=100, end=101, pad=102, length=12)
ONE_CHUNK = TokenLayout(key="t5xxl", start=None, end=1, pad=0, min_length=6)


def test_a_short_word_moves_to_the_next_chunk_as_a_whole() -> None:
    first, second = LAYOUT.pack([Word([1] * 7, 1.0), Word([2] * 7, 1.5)])

    assert first.tokens == (100, *[1] * 7, 101, 102, 102, 102)
    assert second.tokens == (100, *[2] * 7, 101, 102, 102, 102)
    assert second.weights == (1.0, *[1.5] * 7, 1.0, 1.0, 1.0, 1.0)
    assert second.words == (NO_WORD, *[2] * 7, *[NO_WORD] * 4)


def test_a_long_word_fills_the_rest_of_a_chunk() -> None:
    first, second = LAYOUT.pack([Word([1] * 7, 1.0), Word([2] * 8, 1.0)])

    assert first.tokens == (100, *[1] * 7, 2, 2, 2, 101)
    assert second.tokens[:7] == (100, 2, 2, 2, 2, 2, 101)


def test_a_word_that_fits_no_chunk_is_split_even_if_it_is_short() -> None:
    tiny = TokenLayout(key="clip_l", start=100, end=101, pad=102, length=5)

    assert [chunk.tokens for chunk in tiny.pack([Word([1, 2, 3, 4], 1.0)])] == [
        (100, 1, 2, 3, 101),
        (100, 4, 101, 102, 102),
    ]


def test_no_words_make_one_empty_chunk() -> None:
    (chunk,) = LAYOUT.pack([])

    assert chunk.tokens == LAYOUT.empty(12).tokens == (100, 101, *[102] * 10)


def test_without_a_fixed_length_there_is_one_chunk_of_at_least_the_minimum() -> None:
    assert ONE_CHUNK.pack([Word([7, 8], 1.0)])[0].tokens == (7, 8, 1, 0, 0, 0)
    assert len(ONE_CHUNK.pack([Word([7] * 500, 1.0)])[0]) == 501


def test_options_change_the_encoder_they_name_and_no_other() -> None:
    options = {"t5xxl_min_length": 2, "t5xxl_min_padding": 2}

    assert ONE_CHUNK.with_options(options).pack([Word([7], 1.0)])[0].tokens == (7, 1, 0, 0)
    assert LAYOUT.with_options(options) == LAYOUT


@given(st.lists(st.integers(0, 40), max_size=20))
def test_every_token_of_every_word_arrives_once_and_in_order(lengths: list[int]) -> None:
    words = [Word([number] * length, 1.0) for number, length in enumerate(lengths, start=1)]

    chunks = LAYOUT.pack(words)

    arrived = [token for chunk in chunks for token, word in zip(chunk.tokens, chunk.words, strict=True) if word]
    assert arrived == [token for word in words for token in word.tokens]
    assert {len(chunk) for chunk in chunks} == {12}
