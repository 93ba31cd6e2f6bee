"""Nodes between palettes and lists. What takes one value is called for each item of a list."""

from __future__ import annotations

from collections.abc import Iterable

from palette.colours import hex_colour, make_palette, read_colour
from palette.nodes import CATEGORY, Palette
from sdk import NodeType, hookimpl, node


@node(title="Split Palette", category=CATEGORY, names=["colours"])
def split_palette(palette: Palette) -> list[str]:
    """Give the colours of a palette one by one, as #rrggbb.

    Args:
        palette: What follows runs once for each of its colours.
    """
    return [hex_colour(colour) for colour in palette]


@node(id="MakePalette", title="Make Palette", category=CATEGORY, names=["palette"])
def make_palette_of(colours: list[str]) -> Palette:
    """Make a palette of a list of colours; repeated ones count once.

    Args:
        colours: Each as #rrggbb.
    """
    return make_palette(read_colour(colour) for colour in colours)


@node(title="Merge Palettes", category=CATEGORY, names=["palette"])
def merge_palettes(palettes: list[Palette]) -> Palette:
    """Make one palette of all in a list; colours they share count once.

    Args:
        palettes: One or several; together they may have 256 different colours.
    """
    return make_palette(colour for palette in palettes for colour in palette)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [split_palette, make_palette_of, merge_palettes]
