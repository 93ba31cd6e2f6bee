"""Nodes that make pictures and masks of one value, and turn their values round."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Image, Mask, NodeType, Options, Range, hookimpl, node

Side = Annotated[int, Range(1, 16384, 1)]


@node(id="EmptyImage", title="EmptyImage", category="image", output_tooltips=("The pictures.",))
def empty_image(
    width: Side = 512,
    height: Side = 512,
    batch_size: Annotated[int, Range(1, 4096)] = 1,
    color: Annotated[int, Range(0, 0xFFFFFF, 1), Options({"display": "color"})] = 0,
) -> Image:
    """Pictures of one colour.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        batch_size: How many pictures.
        color: Red, green and blue as one number: red × 65536 + green × 256 + blue.
    """
    import torch

    channels = torch.tensor([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF]) / 0xFF
    return channels.expand(batch_size, height, width, 3).clone()


@node(id="SolidMask", title="SolidMask", category="mask", output_tooltips=("The mask.",))
def solid_mask(value: Annotated[float, Range(0.0, 1.0, 0.01)] = 1.0, width: Side = 512, height: Side = 512) -> Mask:
    """A mask of one value.

    Args:
        value: The value everywhere.
        width: Width in pixels.
        height: Height in pixels.
    """
    import torch

    return torch.full((1, height, width), value, dtype=torch.float32)


@node(id="ImageInvert", title="Invert Image", category="image", output_tooltips=("The negatives.",))
def image_invert(image: Image) -> Image:
    """The negative of each picture: 1 minus every value, transparency included.

    Args:
        image: The pictures.
    """
    return 1.0 - image


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make and invert pictures."""
    return [empty_image, solid_mask, image_invert]
