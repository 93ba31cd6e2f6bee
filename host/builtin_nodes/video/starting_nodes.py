"""Nodes that give video models the pictures a video starts from or ends with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any

from host.builtin_nodes.conditioning.values import with_values
from sdk import (
    ClipVisionOutput,
    Conditioning,
    Image,
    Latent,
    NodeContext,
    NodeType,
    Range,
    Vae,
    hookimpl,
    node,
)

_INPAINT = "conditioning/inpaint"
_VIDEO_MODELS = "conditioning/video_models"
_LATENT = ("The latent video to sample from.",)
_PAIR = ("positive", "negative", "latent")
_PAIR_TIPS = (
    "The positive prompt with the pictures.",
    "The negative prompt with the pictures.",
    "The latent video to sample from.",
)
_Side = Annotated[int, Range(16, 16384, 16)]
_WideSide = Annotated[int, Range(32, 16384, 32)]
_Batch = Annotated[int, Range(1, 4096)]
_InEights = Annotated[int, Range(1, 16384, 8)]
_InFours = Annotated[int, Range(1, 16384, 4)]
_BLOCK = 8
"""Frames that Cosmos' encoders are given at a time."""


@node(id="CosmosImageToVideoLatent", category=_INPAINT, output_tooltips=_LATENT)
def cosmos_image_to_video_latent(
    vae: Vae,
    context: NodeContext,
    width: _Side = 1280,
    height: _Side = 704,
    length: _InEights = 121,
    batch_size: _Batch = 1,
    start_image: Image | None = None,
    end_image: Image | None = None,
) -> Latent:
    """A latent video for Cosmos whose first and last frames may be given.

    Args:
        vae: Cosmos' video autoencoder.
        width: Width of the video, in pixels.
        height: Height of the video, in pixels.
        length: Frames; 1 more than a multiple of 8.
        batch_size: How many videos are made at once.
        start_image: Pictures the video begins with.
        end_image: Pictures the video ends with.
    """
    from host.builtin_nodes.video.starting import LatentVideo

    video = LatentVideo(width, height, length, channels=16, step=8, cell=8)
    return _between(video, vae, context, (start_image, end_image), batch_size)


@node(id="CosmosPredict2ImageToVideoLatent", category=_INPAINT, output_tooltips=_LATENT)
def cosmos_predict2_image_to_video_latent(
    vae: Vae,
    context: NodeContext,
    width: _Side = 848,
    height: Annotated[int, Range(16, 16384, 16)] = 480,
    length: _InFours = 93,
    batch_size: _Batch = 1,
    start_image: Image | None = None,
    end_image: Image | None = None,
) -> Latent:
    """A latent video for Cosmos-Predict2 whose first and last frames may be given.

    Args:
        vae: The video autoencoder of Wan 2.1.
        width: Width of the video, in pixels.
        height: Height of the video, in pixels.
        length: Frames; 1 more than a multiple of 4.
        batch_size: How many videos are made at once.
        start_image: Pictures the video begins with.
        end_image: Pictures the video ends with.
    """
    from host.builtin_nodes.video.starting import LatentVideo, per_channel
    from host.builtin_nodes.video.wan_latents import WAN21_MEAN

    video = LatentVideo(width, height, length, channels=16, step=4, cell=8)
    return _between(video, vae, context, (start_image, end_image), batch_size, per_channel(WAN21_MEAN))


@node(id="Wan22ImageToVideoLatent", category=_INPAINT, output_tooltips=_LATENT)
def wan22_image_to_video_latent(
    vae: Vae,
    context: NodeContext,
    width: _WideSide = 1280,
    height: _WideSide = 704,
    length: _InFours = 49,
    batch_size: _Batch = 1,
    start_image: Image | None = None,
) -> Latent:
    """A latent video for Wan 2.2's small model, whose first frames may be given.

    Args:
        vae: The video autoencoder of Wan 2.2.
        width: Width of the video, in pixels.
        height: Height of the video, in pixels.
        length: Frames; 1 more than a multiple of 4.
        batch_size: How many videos are made at once.
        start_image: Pictures the video begins with.
    """
    from host.builtin_nodes.video import starting

    video = starting.LatentVideo(width, height, length, channels=48, step=4, cell=16)
    if start_image is None:
        return {"samples": video.empty(batch_size)}
    with context.models.borrow(vae) as module:
        first = starting.encoded(partial(vae.adapter.encode, module), video.fitted(start_image))
    return starting.with_fixed_frames(video, first, None, batch_size)


@node(id="WanImageToVideo", category=_VIDEO_MODELS, names=_PAIR, output_tooltips=_PAIR_TIPS)
def wan_image_to_video(
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    context: NodeContext,
    width: _Side = 832,
    height: _Side = 480,
    length: _InFours = 81,
    batch_size: _Batch = 1,
    clip_vision_output: ClipVisionOutput | None = None,
    start_image: Image | None = None,
) -> tuple[Conditioning, Conditioning, Latent]:
    """Show Wan's image-to-video models the pictures that a video begins with.

    Args:
        positive: What the video should show.
        negative: What it should not show.
        vae: The video autoencoder of Wan 2.1.
        width: Width of the video, in pixels.
        height: Height of the video, in pixels.
        length: Frames; 1 more than a multiple of 4.
        batch_size: How many videos are made at once.
        clip_vision_output: What an image encoder says of the first picture.
        start_image: Pictures the video begins with.
    """
    from host.builtin_nodes.video.starting import LatentVideo

    video = LatentVideo(width, height, length, channels=16, step=4, cell=8)
    shown = {} if start_image is None else _shown_start(video, vae, context, start_image)
    if clip_vision_output is not None:
        shown["clip_vision_output"] = clip_vision_output
    latent = {"samples": video.empty(batch_size)}
    return with_values(positive, **shown), with_values(negative, **shown), latent


@node(
    id="HunyuanRefinerLatent",
    title="HunyuanRefinerLatent",
    category="sd",
    names=_PAIR,
    output_tooltips=("The positive prompt with the latent.", "The negative prompt with the latent.", _LATENT[0]),
)
def hunyuan_refiner_latent(
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    noise_augmentation: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.1,
) -> tuple[Conditioning, Conditioning, Latent]:
    """Show HunyuanImage's refiner the latent it is to work out.

    Args:
        positive: What the picture should show.
        negative: What it should not show.
        latent: What the first model made.
        noise_augmentation: How much noise is mixed into it, so that the refiner may change more.
    """
    import torch

    samples = latent["samples"]
    shown = {"concat_latent_image": samples, "noise_augmentation": noise_augmentation}
    empty = {"samples": torch.zeros(samples.shape[0], 32, *samples.shape[-3:])}
    return with_values(positive, **shown), with_values(negative, **shown), empty


@node(
    id="LTXVCropGuides",
    category=_VIDEO_MODELS,
    names=_PAIR,
    output_tooltips=("The positive prompt without guides.", "The negative prompt without guides.", "The video alone."),
)
def ltxv_crop_guides(
    positive: Conditioning, negative: Conditioning, latent: Latent
) -> tuple[Conditioning, Conditioning, Latent]:
    """Take the guiding frames off that LTX-Video's guide nodes have added after the video.

    Args:
        positive: The positive prompt; it says where the guides belong.
        negative: The negative prompt.
        latent: The sampled latent video, guides at its end.
    """
    import torch

    samples, mask = latent["samples"], latent.get("noise_mask")
    if mask is None:
        mask = torch.ones(samples.shape[0], 1, samples.shape[2], 1, 1)
    indices = next(
        (options["keyframe_idxs"] for _, options in positive if options.get("keyframe_idxs") is not None), None
    )
    if indices is None:
        return positive, negative, {"samples": samples, "noise_mask": mask}
    kept = samples.shape[2] - len(torch.unique(indices[:, 0]))
    cropped = {"samples": samples[:, :, :kept], "noise_mask": mask[:, :, :kept]}
    return with_values(positive, keyframe_idxs=None), with_values(negative, keyframe_idxs=None), cropped


def _between(
    video: Any, vae: Vae, context: NodeContext, ends: tuple[Any, Any], batch: int, filling: Any = 0.0
) -> dict[str, Any]:
    """A latent video between two lots of given pictures; an empty one if there are none."""
    from host.builtin_nodes.video import starting

    if all(images is None for images in ends):
        return {"samples": video.empty(batch)}
    with context.models.borrow(vae) as module:
        encode = partial(vae.adapter.encode, module)
        first, last = (
            None if images is None else starting.encoded_with_margin(encode, images, video, block=_BLOCK, margin=margin)
            for images, margin in zip(ends, (1, 0), strict=True)
        )
    return starting.with_fixed_frames(video, first, last, batch, filling)


def _shown_start(video: Any, vae: Vae, context: NodeContext, images: Any) -> dict[str, Any]:
    """The whole video as the model is shown it: the given pictures, then grey; and a mask that is 0 where given."""
    import torch

    from host.builtin_nodes.video import starting

    frames = video.fitted(images)
    whole = torch.full((video.length, *frames.shape[1:]), 0.5)
    whole[: len(frames)] = frames
    with context.models.borrow(vae) as module:
        image = starting.encoded(partial(vae.adapter.encode, module), whole)
    mask = torch.ones(1, 1, video.frames(video.length), *image.shape[-2:])
    mask[:, :, : video.frames(len(frames))] = 0.0
    return {"concat_latent_image": image, "concat_mask": mask}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that start videos from pictures."""
    return [
        cosmos_image_to_video_latent,
        cosmos_predict2_image_to_video_latent,
        wan22_image_to_video_latent,
        wan_image_to_video,
        hunyuan_refiner_latent,
        ltxv_crop_guides,
    ]
