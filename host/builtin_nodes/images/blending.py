"""Nodes that mix pictures: blended as a whole, and pasted through a mask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from sdk import Image, Mask, NodeType, Range, TypedCombo, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor

Place = Annotated[int, Range(0, 16384, 1)]
Mode = Literal["normal", "multiply", "screen", "overlay", "soft_light", "difference"]


@node(id="ImageBlend", category="image/postprocessing", output_tooltips=("The mixed pictures.",))
def image_blend(
    image1: Image,
    image2: Image,
    blend_factor: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.5,
    *,
    blend_mode: Annotated[Mode, TypedCombo(multiselect=False)],
) -> Image:
    """Mix two pictures as layers of a paint program are mixed.

    Args:
        image1: The lower pictures; they decide the size.
        image2: The upper pictures, resized and cut to that size; with or without alpha, as the lower ones are.
        blend_factor: How much of the mixture is seen; 0 leaves the lower pictures.
        blend_mode: What the mixture is: the upper picture, product, inverted product, one of both by brightness,
            a soft light, or the lower minus the upper.
    """
    from host.builtin_nodes.images import pasting, scaling

    if image1.shape[-1] != image2.shape[-1]:
        image2 = pasting.with_channels(image2.movedim(-1, 1), image1.shape[-1]).movedim(1, -1)
    if image1.shape != image2.shape:
        image2 = scaling.scale_images(image2, image1.shape[2], image1.shape[1], "bicubic", "center")
    mixed = blended(image1, image2.to(image1), blend_mode)
    return (image1 * (1 - blend_factor) + mixed * blend_factor).clamp(0, 1)


def blended(lower: Tensor, upper: Tensor, mode: Mode) -> Tensor:
    """Two layers, channel by channel; the formulas are those of the W3C's Compositing and Blending."""
    import torch

    match mode:
        case "normal":
            return upper
        case "multiply":
            return lower * upper
        case "screen":
            return 1 - (1 - lower) * (1 - upper)
        case "overlay":
            return torch.where(lower <= 0.5, 2 * lower * upper, 1 - 2 * (1 - lower) * (1 - upper))
        case "soft_light":
            brightest = torch.where(lower <= 0.25, ((16 * lower - 12) * lower + 4) * lower, lower.sqrt())
            darker = lower - (1 - 2 * upper) * lower * (1 - lower)
            return torch.where(upper <= 0.5, darker, lower + (2 * upper - 1) * (brightest - lower))
        case "difference":
            return lower - upper


@node(id="ImageCompositeMasked", category="image", output_tooltips=("The pictures with the others in them.",))
def image_composite_masked(
    destination: Image,
    source: Image,
    x: Place = 0,
    y: Place = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Image:
    """Paste pictures into others, through a mask.

    Args:
        destination: The pictures to paste into.
        source: The pictures to paste; what lies beyond the others' borders is cut off.
        x: Where the left edge of the pasted pictures goes, in pixels.
        y: Where their top edge goes, in pixels.
        resize_source: First resize the pasted pictures to the size of the others.
        mask: 1 where the pasted pictures are seen, values between mix; resized to them. Without it, everywhere.
    """
    from host.builtin_nodes.images import pasting

    target, pasted = destination.movedim(-1, 1), source.movedim(-1, 1)
    pasted = pasting.with_channels(pasted, target.shape[1])
    return pasting.paste(target, pasted, x, y, mask, resized=resize_source).movedim(1, -1)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that mix pictures."""
    return [image_blend, image_composite_masked]
