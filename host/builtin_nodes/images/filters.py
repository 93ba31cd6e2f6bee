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
    return blurred(image.movedim(-1, 1), blur_radius, sigma).movedim(1, -1)


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
    return sharpened(image.movedim(-1, 1), sharpen_radius, sigma, alpha).movedim(1, -1).clamp(0.0, 1.0)


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
    """A kernel [2 radius + 1] that sums to 1; its ends lie at distance 1 in units of ``sigma``.

    Raises:
        NodeError: ``sigma`` is not above 0.
    """
    import torch

    if not sigma > 0:
        raise NodeError(f"A Gaussian of width {sigma:g} is none: the sigma must be above 0.")
    steps = torch.linspace(-1, 1, 2 * radius + 1)
    weights = torch.exp(-(steps**2) / (2.0 * sigma**2))
    return weights / weights.sum()


def blurred(samples: Tensor, radius: int, sigma: float) -> Tensor:
    """Samples [batch, channel, height, width], each channel blurred along both sides; borders are mirrored.

    Half precision is computed in single: its own convolutions take minutes on a CPU.

    Raises:
        NodeError: the kernel reaches further than a mirrored picture does, or the samples are no pictures.
    """
    from torch.nn.functional import conv2d, pad

    from host.builtin_nodes.sampling.uploads import upload

    if samples.ndim != 4 or radius >= min(samples.shape[-2:]):
        size = " x ".join(str(side) for side in reversed(samples.shape[2:]))
        raise NodeError(f"A radius of {radius} does not fit {size}: it takes a picture with larger sides than that.")
    channels = samples.shape[1]
    exact = _in_single(samples)
    weights = upload(gaussian(radius, sigma).to(exact.dtype), exact.device).expand(channels, 1, 1, -1)
    wide = conv2d(pad(exact, (radius,) * 4, mode="reflect"), weights, groups=channels)
    return conv2d(wide, weights.mT, groups=channels).to(samples)


def sharpened(samples: Tensor, radius: int, sigma: float, strength: float) -> Tensor:
    """Samples [batch, channel, height, width] plus 10 ``strength`` times what a blur takes from them.

    Raises:
        NodeError: as ``blurred`` does.
    """
    exact = _in_single(samples)
    return (exact + (10.0 * strength) * (exact - blurred(exact, radius, sigma))).to(samples)


def _in_single(samples: Tensor) -> Tensor:
    import torch

    return samples.to(torch.promote_types(samples.dtype, torch.float32))


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that filter pictures."""
    return [image_blur, image_sharpen, image_add_noise]
