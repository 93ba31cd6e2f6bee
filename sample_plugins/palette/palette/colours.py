"""Colours and palettes as plain values, and as text. No images here.

A palette is a tuple of (red, green, blue) triples of whole numbers from 0 to 255: plain values can be cached on disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from sdk import NodeError, Socket

PALETTE = Socket("PALETTE", "tuple of (red, green, blue) triples, whole numbers from 0 to 255; 1 to 256 of them")
COLOURS_LIMIT = 256

Colour = tuple[int, int, int]

_HEX = re.compile(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")


class BadPalette(NodeError):
    """Something is no palette: ``problem`` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f'{self.problem}. A palette is a JSON list of 1 to {COLOURS_LIMIT} colours such as ["#ff8800", "#000000"].'
        )


def hex_colour(colour: Colour) -> str:
    """The colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def read_colour(text: Any) -> Colour:
    """The colour in ``#rrggbb``, with or without the ``#``; raises BadPalette for anything else."""
    found = _HEX.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise BadPalette(f"{text!r:.40} is no colour")
    red, green, blue = (int(part, 16) for part in found.groups())
    return red, green, blue


def make_palette(colours: Iterable[Colour]) -> tuple[Colour, ...]:
    """The colours as a palette, each once, in order of first appearance; raises BadPalette for none or too many."""
    unique = tuple(dict.fromkeys(colours))
    if not 1 <= len(unique) <= COLOURS_LIMIT:
        raise BadPalette(f"{len(unique)} different colours are too {'many' if unique else 'few'}")
    return unique


def to_text(palette: Iterable[Colour]) -> str:
    """The palette as a JSON list of ``#rrggbb``."""
    return json.dumps([hex_colour(colour) for colour in palette])


def from_text(text: str) -> tuple[Colour, ...]:
    """The palette in a JSON list of ``#rrggbb``; raises BadPalette."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadPalette(f"This is no JSON ({error})") from error
    if not isinstance(values, list):
        raise BadPalette(f"This is a JSON {type(values).__name__}, not a list")
    return make_palette(read_colour(value) for value in values)
