"""Nodes that filter pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from sdk import Image, NodeError, NodeType, Range, Seed, hookimpl, node

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
    if blur_radius == 0:
        return image
    return filtered(image.movedim(-1, 1), gaussian(blur_radius, sigma)).movedim(1, -1)


@node(id="ImageSharpen", category="image/postprocessing", output_tooltips=("The sharper pictures.",))
def image_sharpen(
    image: Image,
    sharpen_radius: Annotated[int, Range(1, 31, 1)] = 1,
    sigma: Annotated[float, Range(0.1, 10.0, 0.01)] = 1.0,
    alpha: Annotated[float, Range(0.0, 5.0, 0.01)] = 1.0,
) -> Image:
    """Sharpen pictures by taking their blur away from them (unsharp masking); borders are mirrored.

    Args:
        image: The pictures.
        sharpen_radius: How far the blur reaches, in pixels.
        sigma: Width of the Gaussian, in units of the radius.
        alpha: How much; 0 changes nothing.
    """
    if sharpen_radius == 0:
        return image
    kernel = unsharp(sharpen_radius, sigma, alpha)
    return filtered(image.movedim(-1, 1), kernel).movedim(1, -1).clamp(0.0, 1.0)


@node(id="ImageAddNoise", category="image", output_tooltips=("The noisy pictures.",))
def image_add_noise(
    image: Image, seed: Annotated[int, Seed()] = 0, strength: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.5
) -> Image:
    """Add random grain to pictures.

    Args:
        image: The pictures.
        seed: Equal seeds give equal grain.
        strength: Standard deviation of the grain; 1 is the whole range of values.
    """
    import torch

    grain = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return (image + strength * grain.to(image)).clamp(0.0, 1.0)


def gaussian(radius: int, sigma: float) -> Tensor:
    """A kernel [2 radius + 1, 2 radius + 1] that sums to 1; its edge lies at distance 1 in units of ``sigma``."""
    import torch

    steps = torch.linspace(-1, 1, 2 * radius + 1)
    distance = steps[:, None] ** 2 + steps[None, :] ** 2
    weights = torch.exp(-distance / (2.0 * sigma**2))
    return weights / weights.sum()


def unsharp(radius: int, sigma: float, strength: float) -> Tensor:
    """A kernel [2 radius + 1, 2 radius + 1] that sums to 1: it adds 10 ``strength`` times what a blur loses."""
    kernel = gaussian(radius, sigma) * (-10.0 * strength)
    kernel[radius, radius] += 1.0 - kernel.sum()
    return kernel


def filtered(samples: Tensor, kernel: Tensor) -> Tensor:
    """Samples [batch, channel, height, width], each channel convolved with a square kernel; borders are mirrored.

    Raises:
        NodeError: the kernel reaches further than a mirrored picture does, or the samples are no pictures.
    """
    from torch.nn.functional import conv2d, pad

    radius = len(kernel) // 2
    if samples.ndim != 4 or radius >= min(samples.shape[-2:]):
        size = " x ".join(str(side) for side in reversed(samples.shape[2:]))
        raise NodeError(f"A radius of {radius} does not fit {size}: it takes a picture with larger sides than that.")
    channels = samples.shape[1]
    weights = kernel.to(samples).expand(channels, 1, -1, -1)
    return conv2d(pad(samples, (radius,) * 4, mode="reflect"), weights, groups=channels)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that filter pictures."""
    return [image_blur, image_sharpen, image_add_noise]
