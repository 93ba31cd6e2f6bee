"""Nodes that show an image to models with further input channels: to inpaint, edit or enlarge it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from host.builtin_nodes.conditioning.values import with_values
from sdk import (
    Conditioning,
    Image,
    Latent,
    Mask,
    NodeContext,
    NodeError,
    NodeType,
    Range,
    Shaped,
    Vae,
    hookimpl,
    node,
)

_CELL = 8
"""Image pixels of a latent cell, along each side."""

_UPSCALING = 4
"""How many times larger the 4x upscaling model's images are than its latents."""

Whole = Annotated[Image, Shaped(side=_CELL)]
_NAMES = ("positive", "negative", "latent")
_TIPS = ("The positive prompt with the image.", "The negative prompt with the image.", "The latent to sample from.")


@node(
    id="InpaintModelConditioning",
    title="InpaintModelConditioning",
    category="conditioning/inpaint",
    names=_NAMES,
    output_tooltips=_TIPS,
)
def inpaint_model_conditioning(
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    pixels: Whole,
    mask: Mask,
    context: NodeContext,
    noise_mask: bool = True,
) -> tuple[Conditioning, Conditioning, Latent]:
    """Show an inpainting model the image with the masked part greyed out.

    Args:
        positive: What the masked part should show.
        negative: What it should not show.
        vae: The autoencoder of the model.
        pixels: The image.
        mask: Bright where it is to be painted anew.
        noise_mask: Leave the rest of the latent alone; without it, the model may change everything a little.
    """
    import torch

    resized = torch.nn.functional.interpolate(
        mask.reshape(-1, 1, *mask.shape[-2:]), size=tuple(pixels.shape[1:3]), mode="bilinear"
    )
    top, left, height, width = _whole_cells(pixels)
    resized = resized[:, :, top : top + height, left : left + width]
    cropped = pixels[:, top : top + height, left : left + width]
    kept = 1.0 - resized.round().movedim(1, -1)
    grey = torch.cat([(cropped[..., :3] - 0.5) * kept + 0.5, cropped[..., 3:]], dim=-1)
    with context.models.borrow(vae) as module:
        shown = vae.adapter.encode(module, grey)
        latent = {"samples": vae.adapter.encode(module, pixels)}
    if noise_mask:
        latent["noise_mask"] = resized
    image = {"concat_latent_image": shown, "concat_mask": resized}
    return with_values(positive, **image), with_values(negative, **image), latent


@node(
    id="InstructPixToPixConditioning",
    category="conditioning/instructpix2pix",
    names=_NAMES,
    output_tooltips=_TIPS,
)
def instruct_pix_to_pix_conditioning(
    positive: Conditioning, negative: Conditioning, vae: Vae, pixels: Whole, context: NodeContext
) -> tuple[Conditioning, Conditioning, Latent]:
    """Show an editing model the image that the prompt wants changed.

    Args:
        positive: The instruction.
        negative: What the result should not show.
        vae: The autoencoder of the model.
        pixels: The image.
    """
    import torch

    top, left, height, width = _whole_cells(pixels)
    with context.models.borrow(vae) as module:
        shown = vae.adapter.encode(module, pixels[:, top : top + height, left : left + width])
    image = {"concat_latent_image": shown}
    return with_values(positive, **image), with_values(negative, **image), {"samples": torch.zeros_like(shown)}


@node(
    id="SD_4XUpscale_Conditioning",
    category="conditioning/upscale_diffusion",
    names=_NAMES,
    output_tooltips=_TIPS,
)
def sd_4x_upscale_conditioning(
    images: Image,
    positive: Conditioning,
    negative: Conditioning,
    scale_ratio: Annotated[float, Range(0.0, 10.0, 0.01)] = 4.0,
    noise_augmentation: Annotated[float, Range(0.0, 1.0, 0.001)] = 0.0,
) -> tuple[Conditioning, Conditioning, Latent]:
    """Show the 4x upscaling model the images it is to enlarge.

    Args:
        images: The images.
        positive: What they show.
        negative: What the result should not show.
        scale_ratio: How many times larger the result is.
        noise_augmentation: How much noise the model takes the images to have, which it then replaces by detail.
    """
    import torch

    from host.builtin_nodes.images.scaling import scale

    height, width = (max(1, round(side * scale_ratio)) // _UPSCALING for side in images.shape[1:3])
    if not height or not width:
        raise NodeError(
            f"Images of {images.shape[2]} x {images.shape[1]} pixels times a scale_ratio of {scale_ratio:g} leave no "
            f"latent cell, which is {_UPSCALING} pixels of the result: choose a larger ratio or larger images."
        )
    shown = scale(images.movedim(-1, 1) * 2.0 - 1.0, width, height, "bilinear", crop="center")
    values = {"concat_image": shown, "noise_augmentation": noise_augmentation}
    latent = {"samples": torch.zeros(len(images), 4, height, width)}
    return with_values(positive, **values), with_values(negative, **values), latent


def _whole_cells(pixels: Any) -> tuple[int, int, int, int]:
    """Top, left, height and width of the middle part that whole latent cells cover."""
    height, width = pixels.shape[1:3]
    return height % _CELL // 2, width % _CELL // 2, height // _CELL * _CELL, width // _CELL * _CELL


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that show images to models."""
    return [inpaint_model_conditioning, instruct_pix_to_pix_conditioning, sd_4x_upscale_conditioning]
