"""The byte-pair vocabulary of CLIP."""

from __future__ import annotations

import pytest

from host.builtin_nodes.text.clip_vocabulary import END_TOKEN, START_TOKEN, VOCABULARY_SIZE, clip_tokenizer


def test_the_vocabulary_ends_with_start_and_end_token() -> None:
    vocabulary = clip_tokenizer().get_vocab()

    assert len(vocabulary) == VOCABULARY_SIZE
    assert (vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"]) == (START_TOKEN, END_TOKEN)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("A  PHOTO\tof a cat", [320, 1125, 539, 320, 2368]),
        ("a<|endoftext|>b", [320, END_TOKEN, 321]),
        ("emoji 😀", [16327, 7334]),
        ("", []),
    ],
)
def test_text_becomes_the_ids_the_models_were_trained_with(text: str, ids: list[int]) -> None:
    assert clip_tokenizer().encode(text, add_special_tokens=False).ids == ids
