"""Nodes between images and palettes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from palette.colours import COLOURS_LIMIT, PALETTE
from sdk import Image, Lazy, NodeContext, NodeType, Range, Socket, hookimpl, node

Palette = Annotated[Any, PALETTE]
CATEGORY = "image/palette"


@node(
    title="Palette from Image",
    category=CATEGORY,
    names=["palette"],
    thread_safe=True,
    aliases=["ExtractPalette"],  # its id before 1.2, which a pack of somebody else's has, too
)
def palette_from_image(
    image: Image,
    colours: Annotated[int, Range(2, COLOURS_LIMIT)] = 8,
    method: Literal["median cut", "k-means"] = "median cut",
) -> Palette:
    """Find the colours that represent an image best, the most frequent first.

    Args:
        image: A batch gets one palette for all of its images.
        colours: How many colours to find. Images with fewer colours give fewer.
        method: Median cut is fast; k-means refines its result.
    """
    from palette import pixels

    return pixels.extract(image, colours, refine=method == "k-means")


def _migrate_apply(inputs: dict[str, Any], from_version: str) -> dict[str, Any]:
    """Before 1.1, ``dithering`` was one of "none" and "floyd-steinberg"."""
    if "dithering" not in inputs:
        return inputs
    kept = {name: value for name, value in inputs.items() if name != "dithering"}
    return {**kept, "dither": inputs["dithering"] != "none"}


@node(
    title="Apply Palette",
    category=CATEGORY,
    names=["image"],
    thread_safe=True,
    aliases=["QuantizeToPalette"],
    migrate=_migrate_apply,
)
def apply_palette(image: Image, palette: Palette, context: NodeContext, dither: bool = False) -> Image:
    """Paint images with the colours of a palette alone.

    Args:
        image: The images; their transparency stays.
        palette: The colours that may be used.
        dither: Mix colours by patterns of dots instead of taking the nearest one for each pixel.
    """
    import torch

    from palette import pixels

    paint = pixels.dithered if dither else pixels.nearest
    painted = []
    for step, each in enumerate(image, start=1):
        painted.append(paint(each, palette))
        context.progress(step, len(image))
    return torch.stack(painted)


@node(title="Show Palette", category=CATEGORY, names=["image"])
def show_palette(palette: Palette, size: Annotated[int, Range(1, 512)] = 64) -> Image:
    """Draw a palette as a row of squares.

    Args:
        palette: The colours, from left to right.
        size: Width and height of each square in pixels.
    """
    from palette import pixels

    return pixels.swatches(palette, size)


@node(title="Palette Strip", category=CATEGORY, names=["image"], deprecated="Use Show Palette, which has a size.")
def palette_strip(palette: Palette) -> Image:
    """Draw a palette as a row of small squares.

    Args:
        palette: The colours, from left to right.
    """
    return show_palette(palette, 16)


@node(title="Palette Switch", category=CATEGORY, names=["palette"])
class PaletteSwitch:
    """Pass one of two palettes on; the other is not even computed.

    Args:
        use_first: Which of the two.
        first: Passed on while the switch is on.
        second: Passed on while the switch is off.
    """

    def run(
        self,
        use_first: bool = True,
        first: Annotated[Palette, Lazy()] = None,
        second: Annotated[Palette, Lazy()] = None,
    ) -> Palette:
        return first if use_first else second

    def check_lazy(self, use_first: bool, first: Any, second: Any) -> list[str]:
        name, value = ("first", first) if use_first else ("second", second)
        return [name] if value is None else []


@hookimpl
def register_sockets() -> Iterable[Socket]:
    return [PALETTE]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [palette_from_image, apply_palette, show_palette, palette_strip, PaletteSwitch]
