"""Nodes that filter pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from sdk import Image, NodeType, Range, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor


@node(id="ImageBlur", category="image/postprocessing", output_tooltips=("The blurred pictures.",))
def image_blur(
    image: Image,
    blur_radius: Annotated[int, Range(1, 31, 1)] = 1,
    sigma: Annotated[float, Range(0.1, 10.0, 0.1)] = 1.0,
) -> Image:
    """Blur pictures with a Gaussian; borders are mirrored.

    Args:
        image: The pictures.
        blur_radius: How far the blur reaches, in pixels.
        sigma: Width of the Gaussian, in units of the radius.
    """
    from torch.nn.functional import conv2d, pad

    if blur_radius == 0:
        return image
    channels = image.shape[-1]
    kernel = gaussian(blur_radius, sigma).to(image).expand(channels, 1, -1, -1)
    padded = pad(image.movedim(-1, 1), (blur_radius,) * 4, mode="reflect")
    return conv2d(padded, kernel, groups=channels).movedim(1, -1)


def gaussian(radius: int, sigma: float) -> Tensor:
    """A kernel [2 radius + 1, 2 radius + 1] that sums to 1; its edge lies at distance 1 in units of ``sigma``."""
    import torch

    steps = torch.linspace(-1, 1, 2 * radius + 1)
    distance = steps[:, None] ** 2 + steps[None, :] ** 2
    weights = torch.exp(-distance / (2.0 * sigma**2))
    return weights / weights.sum()


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that filter pictures."""
    return [image_blur]
