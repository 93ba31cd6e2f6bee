"""Nodes that resize pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Choice, Image, NodeType, Range, TypedCombo, hookimpl, node

Method = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
Side = Annotated[int, Range(0, 16384, 1)]
MEGAPIXEL = 1024 * 1024


@node(
    id="ImageScale",
    title="Upscale Image",
    category="image/upscaling",
    output_tooltips=("The pictures at the new size.",),
)
def image_scale(
    image: Image,
    *,
    upscale_method: Method,
    width: Side = 512,
    height: Side = 512,
    crop: Literal["disabled", "center"],
) -> Image:
    """Resize pictures to a width and a height.

    Args:
        image: The pictures.
        upscale_method: How new pixels come from old ones. Area suits shrinking, lanczos is sharpest.
        width: New width in pixels. 0: follows from the height, so that proportions stay.
        height: New height in pixels. 0: follows from the width, so that proportions stay.
        crop: Center cuts off what does not fit the new proportions; disabled distorts instead.
    """
    from host.builtin_nodes.images import scaling

    if width == 0 and height == 0:
        return image
    width, height = scaling.missing_side(width, height, image.movedim(-1, 1))
    return scaling.scale_images(image, width, height, upscale_method, crop)


@node(
    id="ImageScaleBy",
    title="Upscale Image By",
    category="image/upscaling",
    output_tooltips=("The pictures at the new size.",),
)
def image_scale_by(
    image: Image, upscale_method: Method, scale_by: Annotated[float, Range(0.01, 8.0, 0.01)] = 1.0
) -> Image:
    """Resize pictures by a factor.

    Args:
        image: The pictures.
        upscale_method: How new pixels come from old ones. Area suits shrinking, lanczos is sharpest.
        scale_by: Factor for both sides; 2 gives four times as many pixels.
    """
    from host.builtin_nodes.images import scaling

    width, height = (max(1, round(side * scale_by)) for side in (image.shape[2], image.shape[1]))
    return scaling.scale_images(image, width, height, upscale_method)


@node(id="ImageScaleToTotalPixels", category="image/upscaling", output_tooltips=("The pictures at the new size.",))
def image_scale_to_total_pixels(
    image: Image,
    upscale_method: Annotated[Method, TypedCombo(multiselect=False)],
    megapixels: Annotated[float, Range(0.01, 16.0, 0.01)] = 1.0,
) -> Image:
    """Resize pictures to a number of pixels; proportions stay.

    Args:
        image: The pictures.
        upscale_method: How new pixels come from old ones. Area suits shrinking, lanczos is sharpest.
        megapixels: Pixels of the new picture, in units of 1024 × 1024.
    """
    from host.builtin_nodes.images import scaling

    height, width = image.shape[1:3]
    factor = math.sqrt(int(megapixels * MEGAPIXEL) / (width * height))
    return scaling.scale_images(image, *(max(1, round(side * factor)) for side in (width, height)), upscale_method)


@node(id="ImageScaleToMaxDimension", category="image/upscaling", output_tooltips=("The pictures at the new size.",))
def image_scale_to_max_dimension(
    image: Image,
    upscale_method: Annotated[str, Choice(("area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic"))],
    largest_size: Side = 512,
) -> Image:
    """Resize pictures so that their longer side has a given length; proportions stay.

    Args:
        image: The pictures.
        upscale_method: How new pixels come from old ones. Area suits shrinking, lanczos is sharpest.
        largest_size: New length of the longer side, in pixels.
    """
    from host.builtin_nodes.images import scaling

    height, width = image.shape[1:3]
    longest = max(width, height)
    sides = (max(1, round(side / longest * largest_size)) for side in (width, height))
    return scaling.scale_images(image, *sides, upscale_method)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that resize pictures."""
    return [image_scale, image_scale_by, image_scale_to_total_pixels, image_scale_to_max_dimension]
