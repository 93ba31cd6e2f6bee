"""Nodes that resize pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Image, NodeType, Range, hookimpl, node

Method = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
Side = Annotated[int, Range(0, 16384, 1)]


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
    samples = image.movedim(-1, 1)
    width, height = scaling.missing_side(width, height, samples)
    return scaling.scale(samples, width, height, upscale_method, crop).movedim(1, -1)


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

    samples = image.movedim(-1, 1)
    width, height = (max(1, round(side * scale_by)) for side in (samples.shape[3], samples.shape[2]))
    return scaling.scale(samples, width, height, upscale_method).movedim(1, -1)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that resize pictures."""
    return [image_scale, image_scale_by]
