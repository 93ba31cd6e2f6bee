"""Palettes as text."""

from __future__ import annotations

import pytest
from palette.colours import BadPalette, from_text, hex_colour, make_palette, read_colour, to_text

from sdk import NodeError


def test_a_palette_survives_being_text() -> None:
    palette = ((255, 136, 0), (0, 0, 0))
    assert to_text(palette) == '["#ff8800", "#000000"]'
    assert from_text(to_text(palette)) == palette


def test_colours_are_read_with_and_without_hash() -> None:
    assert read_colour(" FF8800 ") == read_colour("#ff8800") == (255, 136, 0)
    assert hex_colour((1, 2, 3)) == "#010203"


def test_repeated_colours_count_once_in_order_of_appearance() -> None:
    assert make_palette([(1, 1, 1), (0, 0, 0), (1, 1, 1)]) == ((1, 1, 1), (0, 0, 0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "This is no JSON"),
        ("[" * 100_000, "This is no JSON"),
        ("{}", "This is a JSON dict, not a list"),
        ("[]", "0 different colours are too few"),
        ('["red"]', "'red' is no colour"),
        ("[255]", "255 is no colour"),
        ('["#ff88001"]', "'#ff88001' is no colour"),
        (str([f"#{number:06x}" for number in range(257)]).replace("'", '"'), "257 different colours are too many"),
    ],
    ids=range(8),
)
def test_anything_else_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(BadPalette) as caught:
        from_text(text)
    assert said in str(caught.value)
    assert isinstance(caught.value, NodeError)
