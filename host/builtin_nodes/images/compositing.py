"""Nodes that take transparency out of pictures and put it in."""

from __future__ import annotations

from collections.abc import Iterable

from sdk import Image, Mask, NodeType, hookimpl, node


@node(
    id="SplitImageWithAlpha",
    title="Split Image with Alpha",
    category="mask/compositing",
    output_tooltips=("The colours.", "1 where the picture is transparent; 0 everywhere if it has no alpha channel."),
)
def split_image_with_alpha(image: Image) -> tuple[Image, Mask]:
    """Colours and transparency of pictures, apart.

    Args:
        image: Pictures with or without an alpha channel.
    """
    import torch

    alpha = image[..., 3] if image.shape[-1] > 3 else torch.ones_like(image[..., 0])
    return image[..., :3], 1.0 - alpha


@node(
    id="JoinImageWithAlpha",
    title="Join Image with Alpha",
    category="mask/compositing",
    output_tooltips=("The pictures with an alpha channel, as many as there are of the shorter input.",),
)
def join_image_with_alpha(image: Image, alpha: Mask) -> Image:
    """Give pictures an alpha channel.

    Args:
        image: The colours.
        alpha: 1 where the picture shall be transparent; resized to the picture.
    """
    import torch

    from host.builtin_nodes.images import scaling

    height, width = image.shape[1:3]
    mask = scaling.scale(alpha.reshape(-1, 1, *alpha.shape[-2:]), width, height, "bilinear").movedim(1, -1)
    count = min(len(image), len(mask))
    return torch.cat((image[:count, ..., :3], 1.0 - mask[:count]), dim=-1)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for alpha channels."""
    return [split_image_with_alpha, join_image_with_alpha]
