"""Nodes between palettes, text and files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from palette.colours import BadPalette, from_text, to_text
from palette.nodes import CATEGORY, Palette
from sdk import Choice, Multiline, NodeContext, NodeResult, NodeType, hookimpl, node


@node(title="Palette to Text", category=CATEGORY, names=["text"])
def palette_to_text(palette: Palette) -> str:
    """Write a palette as a JSON list of #rrggbb.

    Args:
        palette: The colours, in order.
    """
    return to_text(palette)


def _is_palette(text: str) -> bool | str:
    try:
        from_text(text)
    except BadPalette as error:
        return str(error)
    return True


@node(title="Palette from Text", category=CATEGORY, names=["palette"], validate=_is_palette)
def palette_from_text(text: Annotated[str, Multiline()] = '["#000000", "#ffffff"]') -> Palette:
    """Read a palette from a JSON list of #rrggbb.

    Args:
        text: Faults are reported before the job runs.
    """
    return from_text(text)


@node(title="Save Palette", category=CATEGORY, output_node=True, returns=type(None))
def save_palette(context: NodeContext, palette: Palette, filename_prefix: str = "palettes/palette") -> NodeResult:
    """Save a palette as a JSON file in the output folder.

    Args:
        palette: The colours, in order.
        filename_prefix: Start of the file name, before a running number. May name sub-folders.
    """
    place = context.folders.place(filename_prefix)
    name = f"{place.stem}_{place.counter:05}_.json"
    with (place.folder / name).open("x", encoding="utf-8") as file:
        file.write(to_text(palette) + "\n")
    shown = {"filename": name, "subfolder": place.subfolder, "type": place.root}
    return NodeResult(ui={"files": [shown], "text": [to_text(palette)]})


@node(title="Load Palette", category=CATEGORY, names=["palette"], reads=["file"])
def load_palette(file: Annotated[str, Choice(source="input")], context: NodeContext) -> Palette:
    """Read a palette from a JSON file in the input folder.

    Args:
        file: Written by Save Palette, or by hand. The node runs again whenever the file changes.
    """
    try:
        return from_text(context.folders.input_file(file).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadPalette(f"{file} is no text") from error


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [palette_to_text, palette_from_text, save_palette, load_palette]
