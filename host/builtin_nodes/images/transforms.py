"""Nodes that cut, turn and mirror pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Image, NodeError, NodeType, Range, hookimpl, node

Side = Annotated[int, Range(1, 16384, 1)]
Place = Annotated[int, Range(0, 16384, 1)]
QUARTER_TURNS = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}
_ROWS, _COLUMNS = 1, 2
"""Dimensions of a batch of pictures."""


@node(id="ImageCrop", title="Image Crop", category="image/transform", output_tooltips=("The piece.",))
def image_crop(image: Image, width: Side = 512, height: Side = 512, x: Place = 0, y: Place = 0) -> Image:
    """A rectangular piece of each picture; smaller than wanted where the picture ends.

    Args:
        image: The pictures.
        width: Width of the piece, in pixels.
        height: Height of the piece, in pixels.
        x: Left edge of the piece.
        y: Top edge of the piece.
    """
    left, top = min(x, image.shape[_COLUMNS] - 1), min(y, image.shape[_ROWS] - 1)
    piece = image[:, top : top + height, left : left + width]
    if not piece.numel():
        raise NodeError(
            f"A piece of {width} x {height} pixels at x = {x}, y = {y} has nothing of pictures of "
            f"{image.shape[_COLUMNS]} x {image.shape[_ROWS]}: choose a place and a size within them."
        )
    return piece


@node(id="ImageRotate", category="image/transform", output_tooltips=("The turned pictures.",))
def image_rotate(image: Image, rotation: Literal["none", "90 degrees", "180 degrees", "270 degrees"]) -> Image:
    """Turn pictures clockwise.

    Args:
        image: The pictures.
        rotation: How far.
    """
    return image.rot90(QUARTER_TURNS[rotation], dims=(_COLUMNS, _ROWS))


@node(id="ImageFlip", category="image/transform", output_tooltips=("The mirrored pictures.",))
def image_flip(image: Image, flip_method: Literal["x-axis: vertically", "y-axis: horizontally"]) -> Image:
    """Mirror pictures.

    Args:
        image: The pictures.
        flip_method: Vertically swaps top and bottom, horizontally swaps left and right.
    """
    return image.flip(_ROWS if flip_method.startswith("x") else _COLUMNS)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that cut, turn and mirror pictures."""
    return [image_crop, image_rotate, image_flip]
