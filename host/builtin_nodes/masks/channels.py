"""Nodes between masks and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Image, Mask, NodeError, NodeType, Options, Range, Shaped, hookimpl, node

CHANNELS = ("red", "green", "blue", "alpha")


@node(id="MaskToImage", title="Convert Mask to Image", category="mask", output_tooltips=("Grey pictures.",))
def mask_to_image(mask: Mask) -> Image:
    """Masks as grey pictures.

    Args:
        mask: The masks.
    """
    return mask.reshape(mask.shape[:-2].numel(), *mask.shape[-2:], 1).expand(-1, -1, -1, 3)


@node(id="ImageToMask", title="Convert Image to Mask", category="mask", output_tooltips=("The channel.",))
def image_to_mask(image: Image, channel: Literal["red", "green", "blue", "alpha"]) -> Mask:
    """One channel of pictures as masks.

    Args:
        image: The pictures.
        channel: Which channel; it is taken as it is, so opaque alpha gives 1.
    """
    index = CHANNELS.index(channel)
    if index >= image.shape[-1]:
        raise NodeError(f"The image has {image.shape[-1]} channels and none called {channel}: choose another one.")
    return image[..., index]


@node(id="ImageColorToMask", category="mask", output_tooltips=("1 where the picture has that colour.",))
def image_color_to_mask(
    image: Annotated[Image, Shaped(channels=3)],
    color: Annotated[int, Range(0, 0xFFFFFF, 1), Options({"display": "color"})] = 0,
) -> Mask:
    """Where pictures have exactly one colour.

    Args:
        image: The pictures.
        color: Red, green and blue as one number: red × 65536 + green × 256 + blue.
    """
    levels = (image[..., :3].clamp(0, 1) * 255).round().int()
    wanted = levels.new_tensor([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF])
    return (levels == wanted).all(dim=-1).float()


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes between masks and pictures."""
    return [mask_to_image, image_to_mask, image_color_to_mask]
