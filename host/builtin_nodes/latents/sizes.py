"""Nodes that make and resize latents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Latent, NodeType, Range, Shaped, hookimpl, node

_CELL = 8
"""Image pixels that latent sizes are counted in, along each side."""

_SMALLEST = 64
"""The shortest side, in pixels, that a latent is resized to."""

Spatial = Annotated[Latent, Shaped(dimensions=(4, 5))]
Method = Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"]
Side = Annotated[int, Range(16, 16384, 8)]
NewSide = Annotated[int, Range(0, 16384, 8)]


@node(
    id="EmptyLatentImage",
    title="Empty Latent Image",
    category="latent",
    output_tooltips=("A latent to be filled by a sampler.",),
)
def empty_latent_image(width: Side = 512, height: Side = 512, batch_size: Annotated[int, Range(1, 4096)] = 1) -> Latent:
    """Make an empty latent, from which a sampler starts with noise alone.

    Args:
        width: Width of the image to be, in pixels.
        height: Height of the image to be, in pixels.
        batch_size: How many images are made at once.
    """
    import torch

    return {"samples": torch.zeros(batch_size, 4, height // _CELL, width // _CELL)}


@node(
    id="LatentUpscale",
    title="Upscale Latent",
    category="latent",
    output_tooltips=("The latent at the new size.",),
)
def latent_upscale(
    *,
    samples: Spatial,
    upscale_method: Method,
    width: NewSide = 512,
    height: NewSide = 512,
    crop: Literal["disabled", "center"],
) -> Latent:
    """Resize a latent, to sample it again at the new size.

    Args:
        samples: The latent.
        upscale_method: How new cells come from old ones.
        width: New width of the image, in pixels. 0: follows from the height, so that proportions stay.
        height: New height of the image, in pixels. 0: follows from the width, so that proportions stay.
        crop: Center cuts off what does not fit the new proportions; disabled distorts instead.
    """
    from host.builtin_nodes.images.scaling import missing_side
    from host.builtin_nodes.latents.scaling import scale_latent

    if width == 0 and height == 0:
        return samples
    latent = samples["samples"]
    asked = (max(_SMALLEST, side) if side else 0 for side in (width, height))
    columns, rows = (max(_SMALLEST, side) // _CELL for side in missing_side(*asked, latent))
    return {**samples, "samples": scale_latent(latent, columns, rows, upscale_method, crop)}


@node(
    id="LatentUpscaleBy",
    title="Upscale Latent By",
    category="latent",
    output_tooltips=("The latent at the new size.",),
)
def latent_upscale_by(
    samples: Spatial, upscale_method: Method, scale_by: Annotated[float, Range(0.01, 8.0, 0.01)] = 1.5
) -> Latent:
    """Resize a latent by a factor, to sample it again at the new size.

    Args:
        samples: The latent.
        upscale_method: How new cells come from old ones.
        scale_by: Factor for both sides; 2 gives an image of four times as many pixels.
    """
    from host.builtin_nodes.latents.scaling import scale_latent

    latent = samples["samples"]
    height, width = (max(1, round(side * scale_by)) for side in latent.shape[-2:])
    return {**samples, "samples": scale_latent(latent, width, height, upscale_method)}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make and resize latents."""
    return [empty_latent_image, latent_upscale, latent_upscale_by]
