"""Nodes that make empty latents, each in the shape that a kind of model samples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

from sdk import Latent, NodeType, Range, hookimpl, node

if TYPE_CHECKING:
    from torch import Tensor

Batch = Annotated[int, Range(1, 4096)]
Side = Annotated[int, Range(16, 16384, 16)]
LongSide = Annotated[int, Range(64, 16384, 32)]
_FILLED = ("A latent to be filled by a sampler.",)


def _zeros(*shape: int) -> Tensor:
    import torch

    return torch.zeros(shape)


def _video(width: int, height: int, length: int, batch: int, *, channels: int, cell: int, step: int) -> dict[str, Any]:
    """Frames after the first one share a latent frame in groups of ``step``."""
    return {"samples": _zeros(batch, channels, (length - 1) // step + 1, height // cell, width // cell)}


@node(id="EmptySD3LatentImage", category="latent/sd3", output_tooltips=_FILLED)
def empty_sd3_latent_image(width: Side = 1024, height: Side = 1024, batch_size: Batch = 1) -> Latent:
    """An empty latent of 16 channels, for Stable Diffusion 3, Flux and their kin.

    Args:
        width: Width of the image to be, in pixels.
        height: Height of the image to be, in pixels.
        batch_size: How many images are made at once.
    """
    return {"samples": _zeros(batch_size, 16, height // 8, width // 8)}


@node(id="EmptyHunyuanImageLatent", title="EmptyHunyuanImageLatent", category="latent", output_tooltips=_FILLED)
def empty_hunyuan_image_latent(width: LongSide = 2048, height: LongSide = 2048, batch_size: Batch = 1) -> Latent:
    """An empty latent of 64 channels and 32 × 32 pixels a cell, for HunyuanImage.

    Args:
        width: Width of the image to be, in pixels.
        height: Height of the image to be, in pixels.
        batch_size: How many images are made at once.
    """
    return {"samples": _zeros(batch_size, 64, height // 32, width // 32)}


@node(id="EmptyChromaRadianceLatentImage", category="latent/chroma_radiance", output_tooltips=_FILLED)
def empty_chroma_radiance_latent_image(width: Side = 1024, height: Side = 1024, batch_size: Batch = 1) -> Latent:
    """An empty latent for Chroma Radiance, which samples the pixels themselves.

    Args:
        width: Width of the image to be, in pixels.
        height: Height of the image to be, in pixels.
        batch_size: How many images are made at once.
    """
    return {"samples": _zeros(batch_size, 3, height, width)}


@node(
    id="StableCascade_EmptyLatentImage",
    category="latent/stable_cascade",
    names=("stage_c", "stage_b"),
    output_tooltips=("The small latent, which is sampled first.", "The latent of the second stage."),
)
def stable_cascade_empty_latent_image(
    width: Annotated[int, Range(256, 16384, 8)] = 1024,
    height: Annotated[int, Range(256, 16384, 8)] = 1024,
    compression: Annotated[int, Range(4, 128, 1)] = 42,
    batch_size: Batch = 1,
) -> tuple[Latent, Latent]:
    """Empty latents for both stages of Stable Cascade.

    Args:
        width: Width of the image to be, in pixels.
        height: Height of the image to be, in pixels.
        compression: Pixels for one cell of the first stage, along each side.
        batch_size: How many images are made at once.
    """
    small = _zeros(batch_size, 16, height // compression, width // compression)
    return {"samples": small}, {"samples": _zeros(batch_size, 4, height // 4, width // 4)}


@node(id="EmptyHunyuanLatentVideo", title="EmptyHunyuanLatentVideo", category="latent/video", output_tooltips=_FILLED)
def empty_hunyuan_latent_video(
    width: Side = 848, height: Side = 480, length: Annotated[int, Range(1, 16384, 4)] = 25, batch_size: Batch = 1
) -> Latent:
    """An empty latent video for HunyuanVideo and Wan 2.1.

    Args:
        width: Width of the video to be, in pixels.
        height: Height of the video to be, in pixels.
        length: Frames; 1 more than a multiple of 4.
        batch_size: How many videos are made at once.
    """
    return _video(width, height, length, batch_size, channels=16, cell=8, step=4)


@node(id="EmptyMochiLatentVideo", category="latent/video", output_tooltips=_FILLED)
def empty_mochi_latent_video(
    width: Side = 848, height: Side = 480, length: Annotated[int, Range(7, 16384, 6)] = 25, batch_size: Batch = 1
) -> Latent:
    """An empty latent video for Mochi.

    Args:
        width: Width of the video to be, in pixels.
        height: Height of the video to be, in pixels.
        length: Frames; 1 more than a multiple of 6.
        batch_size: How many videos are made at once.
    """
    return _video(width, height, length, batch_size, channels=12, cell=8, step=6)


@node(id="EmptyLTXVLatentVideo", category="latent/video/ltxv", output_tooltips=_FILLED)
def empty_ltxv_latent_video(
    width: LongSide = 768,
    height: LongSide = 512,
    length: Annotated[int, Range(1, 16384, 8)] = 97,
    batch_size: Batch = 1,
) -> Latent:
    """An empty latent video for LTX-Video.

    Args:
        width: Width of the video to be, in pixels.
        height: Height of the video to be, in pixels.
        length: Frames; 1 more than a multiple of 8.
        batch_size: How many videos are made at once.
    """
    return _video(width, height, length, batch_size, channels=128, cell=32, step=8)


@node(id="EmptyCosmosLatentVideo", category="latent/video", output_tooltips=_FILLED)
def empty_cosmos_latent_video(
    width: Side = 1280, height: Side = 704, length: Annotated[int, Range(1, 16384, 8)] = 121, batch_size: Batch = 1
) -> Latent:
    """An empty latent video for Cosmos.

    Args:
        width: Width of the video to be, in pixels.
        height: Height of the video to be, in pixels.
        length: Frames; 1 more than a multiple of 8.
        batch_size: How many videos are made at once.
    """
    return _video(width, height, length, batch_size, channels=16, cell=8, step=8)


@node(id="EmptyLatentHunyuan3Dv2", title="EmptyLatentHunyuan3Dv2", category="latent/3d", output_tooltips=_FILLED)
def empty_latent_hunyuan3d_v2(resolution: Annotated[int, Range(1, 8192)] = 3072, batch_size: Batch = 1) -> Latent:
    """An empty latent for the shapes that Hunyuan3D 2 makes.

    Args:
        resolution: Tokens that describe one shape.
        batch_size: How many shapes are made at once.
    """
    return {"samples": _zeros(batch_size, 64, resolution), "type": "hunyuan3dv2"}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make empty latents."""
    return [
        empty_sd3_latent_image,
        empty_hunyuan_image_latent,
        empty_chroma_radiance_latent_image,
        stable_cascade_empty_latent_image,
        empty_hunyuan_latent_video,
        empty_mochi_latent_video,
        empty_ltxv_latent_video,
        empty_cosmos_latent_video,
        empty_latent_hunyuan3d_v2,
    ]
