"""Nodes that change and combine masks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Mask, NodeType, Range, hookimpl, node

Side = Annotated[int, Range(1, 16384, 1)]
Place = Annotated[int, Range(0, 16384, 1)]


@node(id="InvertMask", category="mask", output_tooltips=("1 minus the mask.",))
def invert_mask(mask: Mask) -> Mask:
    """Turn masks round: what was 1 is 0.

    Args:
        mask: The masks.
    """
    return 1.0 - mask


@node(id="CropMask", category="mask", output_tooltips=("The piece.",))
def crop_mask(mask: Mask, x: Place = 0, y: Place = 0, width: Side = 512, height: Side = 512) -> Mask:
    """A rectangular piece of masks; smaller than wanted where they end.

    Args:
        mask: The masks.
        x: Left edge of the piece, in pixels.
        y: Top edge of the piece.
        width: Width of the piece.
        height: Height of the piece.
    """
    return mask.reshape(-1, *mask.shape[-2:])[:, y : y + height, x : x + width]


@node(id="ThresholdMask", category="mask", output_tooltips=("A mask of 0 and 1.",))
def threshold_mask(mask: Mask, value: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.5) -> Mask:
    """Make masks hard.

    Args:
        mask: The masks.
        value: What is above it becomes 1, the rest 0.
    """
    return (mask > value).float()


@node(id="FeatherMask", category="mask", output_tooltips=("The mask with soft borders.",))
def feather_mask(mask: Mask, left: Place = 0, top: Place = 0, right: Place = 0, bottom: Place = 0) -> Mask:
    """Fade masks out towards the borders of the picture.

    At the right and at the bottom the fade is as saved workflows know it: its weakest step falls on the first column or
    row of the picture.

    Args:
        mask: The masks.
        left: Pixels over which it fades at the left.
        top: Pixels over which it fades at the top.
        right: Pixels over which it fades at the right.
        bottom: Pixels over which it fades at the bottom.
    """
    from host.builtin_nodes.masks import shapes

    return shapes.feathered(mask, left=left, top=top, right=right, bottom=bottom)


@node(id="GrowMask", category="mask", output_tooltips=("The grown or shrunken mask.",))
def grow_mask(mask: Mask, expand: Annotated[int, Range(-16384, 16384, 1)] = 0, tapered_corners: bool = True) -> Mask:
    """Grow or shrink the bright areas of masks.

    Args:
        mask: The masks.
        expand: Pixels to grow by; negative numbers shrink.
        tapered_corners: Cut the corners, so that a point grows into a diamond and not into a square.
    """
    from host.builtin_nodes.masks import shapes

    return shapes.grown(mask.reshape(-1, *mask.shape[-2:]), expand, tapered=tapered_corners)


@node(id="MaskComposite", category="mask", output_tooltips=("The combined mask.",))
def mask_composite(
    destination: Mask,
    source: Mask,
    x: Place = 0,
    y: Place = 0,
    *,
    operation: Literal["multiply", "add", "subtract", "and", "or", "xor"],
) -> Mask:
    """Combine two masks where they overlap.

    Args:
        destination: The mask that is changed.
        source: The mask that changes it; what lies beyond the borders is cut off.
        x: Where the left edge of the source goes, in pixels.
        y: Where the top edge of the source goes, in pixels.
        operation: How; the logical ones round both to 0 or 1 first.
    """
    from host.builtin_nodes.masks import shapes

    return shapes.combined(destination, source, x, y, operation)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that change and combine masks."""
    return [invert_mask, crop_mask, threshold_mask, feather_mask, grow_mask, mask_composite]
