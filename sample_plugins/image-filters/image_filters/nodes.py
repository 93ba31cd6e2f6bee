"""The nodes. Each calls one function of ``filters``, which knows nothing of nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Image, NodeError, NodeType, Range, Seed, hookimpl, node

CATEGORY = "image/filters"


def _rising_levels(black: float, white: float) -> bool | str:
    """Asked before a prompt runs; what comes over a link is None then."""
    if black is None or white is None or black < white:
        return True
    return f"black ({black}) must be below white ({white})"


@node(id="FilterLevels", title="Levels", category=CATEGORY, names=["image"], validate=_rising_levels, thread_safe=True)
def levels(
    image: Image,
    black: Annotated[float, Range(0, 1, 0.01)] = 0.0,
    white: Annotated[float, Range(0, 1, 0.01)] = 1.0,
    gamma: Annotated[float, Range(0.1, 10, 0.05)] = 1.0,
) -> Image:
    """Spread the brightness of an image.

    Args:
        image: The images.
        black: Everything below becomes black.
        white: Everything above becomes white.
        gamma: Above 1 the middle tones get lighter, below 1 darker.
    """
    from image_filters import filters

    if black >= white:
        raise NodeError(f"black ({black}) must be below white ({white})")
    return filters.levels(image, black, white, gamma)


@node(id="FilterUnsharpMask", title="Unsharp mask", category=CATEGORY, names=["image"], thread_safe=True)
def unsharp_mask(
    image: Image,
    radius: Annotated[float, Range(0.1, 50, 0.1)] = 2.0,
    amount: Annotated[float, Range(0, 5, 0.05)] = 0.5,
    threshold: Annotated[float, Range(0, 1, 0.01)] = 0.0,
) -> Image:
    """Sharpen an image where it differs from a blurred copy of itself.

    Args:
        image: The images.
        radius: Standard deviation of the blur in pixels.
        amount: How much of the difference is added.
        threshold: Smaller differences are left alone.
    """
    from image_filters import filters

    return filters.unsharp_mask(image, radius, amount, threshold)


@node(id="FilterVignette", title="Vignette", category=CATEGORY, names=["image"], thread_safe=True)
def vignette(
    image: Image,
    strength: Annotated[float, Range(0, 1, 0.01)] = 0.5,
    radius: Annotated[float, Range(0, 1, 0.01)] = 0.4,
) -> Image:
    """Darken the corners of an image.

    Args:
        image: The images.
        strength: 1 makes the corners black.
        radius: Where it begins; 0 is the centre, 1 the corners.
    """
    from image_filters import filters

    return filters.vignette(image, strength, radius)


@node(id="FilterGrain", title="Film grain", category=CATEGORY, names=["image"], thread_safe=True)
def grain(
    image: Image,
    amount: Annotated[float, Range(0, 1, 0.01)] = 0.1,
    seed: Annotated[int, Seed()] = 0,
) -> Image:
    """Add grain as film has it: in brightness, and most in the middle tones.

    Args:
        image: The images.
        amount: Standard deviation of the grain in the middle tones.
        seed: Equal seeds give equal grain.
    """
    from image_filters import filters

    return filters.grain(image, amount, seed)


@node(id="FilterMedian", title="Median", category=CATEGORY, names=["image"], thread_safe=True)
def median(image: Image, radius: Annotated[int, Range(1, 8)] = 1) -> Image:
    """Remove single wrong pixels and keep edges.

    Args:
        image: The images.
        radius: Pixels on each side that are looked at.
    """
    from image_filters import filters

    return filters.median(image, radius)


@node(id="FilterSketch", title="Sketch", category=CATEGORY, names=["image"], thread_safe=True)
def sketch(image: Image, strength: Annotated[float, Range(0.1, 20, 0.1)] = 4.0) -> Image:
    """Draw dark lines on white where an image has edges.

    Args:
        image: The images.
        strength: How dark the lines are.
    """
    from image_filters import filters

    return filters.sketch(image, strength)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [levels, unsharp_mask, vignette, grain, median, sketch]
