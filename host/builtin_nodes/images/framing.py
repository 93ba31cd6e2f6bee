"""Nodes that put pictures onto larger canvases: padding, margins to be painted, pictures side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Image, Mask, NodeType, Range, hookimpl, node

Side = Annotated[int, Range(1, 16384, 1)]
Margin = Annotated[int, Range(0, 16384, 8)]
COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


@node(id="ResizeAndPadImage", category="image/transform", output_tooltips=("The pictures on their canvas.",))
def resize_and_pad_image(
    image: Image,
    target_width: Side = 512,
    target_height: Side = 512,
    *,
    padding_color: Literal["white", "black"],
    interpolation: Literal["area", "bicubic", "nearest-exact", "bilinear", "lanczos"],
) -> Image:
    """Resize pictures to fit a canvas without distortion, in its middle.

    Args:
        image: The pictures.
        target_width: Width of the canvas, in pixels.
        target_height: Height of the canvas, in pixels.
        padding_color: What fills the rest of the canvas.
        interpolation: How new pixels come from old ones. Area suits shrinking, lanczos is sharpest.
    """
    from host.builtin_nodes.images import scaling

    count, old_height, old_width, channels = image.shape
    factor = min(target_width / old_width, target_height / old_height)
    width, height = max(1, int(old_width * factor)), max(1, int(old_height * factor))
    left, top = (target_width - width) // 2, (target_height - height) // 2
    canvas = image.new_full((count, target_height, target_width, channels), 1.0 if padding_color == "white" else 0.0)
    canvas[:, top : top + height, left : left + width] = scaling.scale_images(image, width, height, interpolation)
    return canvas


@node(
    id="ImagePadForOutpaint",
    title="Pad Image for Outpainting",
    category="image",
    output_tooltips=("The pictures with grey margins.", "1 where there is something to paint."),
)
def image_pad_for_outpaint(
    image: Image,
    left: Margin = 0,
    top: Margin = 0,
    right: Margin = 0,
    bottom: Margin = 0,
    feathering: Annotated[int, Range(0, 16384, 1)] = 40,
) -> tuple[Image, Mask]:
    """Add grey margins to pictures, with a mask that says where to paint.

    Args:
        image: The pictures.
        left: Pixels to add at the left.
        top: Pixels to add at the top.
        right: Pixels to add at the right.
        bottom: Pixels to add at the bottom.
        feathering: Over so many pixels the mask fades into the picture, next to the sides that grow.
    """
    import torch

    from host.builtin_nodes.images.feathering import inner_ramp

    count, height, width, channels = image.shape
    size = (top + height + bottom, left + width + right)
    inside = (slice(top, top + height), slice(left, left + width))
    canvas = image.new_full((count, *size, channels), 0.5)
    canvas[:, *inside] = image
    mask = torch.ones(1, *size)
    mask[0][inside] = inner_ramp(
        height, width, feathering, left=left > 0, top=top > 0, right=right > 0, bottom=bottom > 0
    )
    return canvas, mask


@node(id="ImageStitch", title="Image Stitch", category="image/transform", output_tooltips=("One picture of the two.",))
def image_stitch(
    image1: Image,
    direction: Literal["right", "down", "left", "up"] = "right",
    match_image_size: bool = True,
    spacing_width: Annotated[int, Range(0, 1024, 2)] = 0,
    spacing_color: Literal["white", "black", "red", "green", "blue"] = "white",
    image2: Image | None = None,
) -> Image:
    """Put two pictures side by side.

    Args:
        image1: The first pictures. A shorter batch repeats its last picture.
        direction: On which side of the first picture the second one goes.
        match_image_size: Resize the second picture so that both fit; otherwise the smaller one gets margins.
        spacing_width: Pixels between the two; odd numbers count as the next even one.
        spacing_color: Colour between the two. Margins are white if it is white, else black.
        image2: The second pictures. Without them the first ones pass unchanged.
    """
    from host.builtin_nodes.images import stitching

    if image2 is None:
        return image1
    gap = spacing_width + spacing_width % 2
    return stitching.stitch(image1, image2, direction, matched=match_image_size, gap=gap, colour=COLOURS[spacing_color])


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that put pictures onto larger canvases."""
    return [resize_and_pad_image, image_pad_for_outpaint, image_stitch]
