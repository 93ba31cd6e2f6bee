"""Nodes that tell particular models more than a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from host.builtin_nodes.conditioning.values import with_appended, with_values
from sdk import ClipVisionOutput, Conditioning, Image, Latent, NodeType, Range, TypedCombo, hookimpl, node

_FLUX = "advanced/conditioning/flux"
_BOTH = ("positive", "negative")
_BOTH_TIPS = ("The positive prompt with it.", "The negative prompt with it.")
_Seconds = Annotated[float, Range(0.0, 1000.0, 0.1)]

_KONTEXT_WIDTHS = {
    672: 1568,
    688: 1504,
    720: 1456,
    752: 1392,
    800: 1328,
    832: 1248,
    880: 1184,
    944: 1104,
    1024: 1024,
    1104: 944,
    1184: 880,
    1248: 832,
    1328: 800,
    1392: 752,
    1456: 720,
    1504: 688,
    1568: 672,
}
"""Widths and heights that Flux Kontext was trained on."""


@node(id="FluxGuidance", category=_FLUX, output_tooltips=("The prompt with it.",))
def flux_guidance(conditioning: Conditioning, guidance: Annotated[float, Range(0.0, 100.0, 0.1)] = 3.5) -> Conditioning:
    """Tell a guidance-distilled model, such as Flux dev, how strictly to follow the prompt.

    Args:
        conditioning: The prompt.
        guidance: The strength that is told.
    """
    return with_values(conditioning, guidance=guidance)


@node(id="FluxDisableGuidance", category=_FLUX, output_tooltips=("The prompt without it.",))
def flux_disable_guidance(conditioning: Conditioning) -> Conditioning:
    """Tell a Flux-like model no strength of guidance at all.

    Args:
        conditioning: The prompt.
    """
    return with_values(conditioning, guidance=None)


@node(
    id="FluxKontextMultiReferenceLatentMethod",
    category=_FLUX,
    output_tooltips=("The prompt with it.",),
    experimental=True,
)
def flux_kontext_multi_reference_latent_method(
    conditioning: Conditioning,
    reference_latents_method: Annotated[Literal["offset", "index", "uxo/uno"], TypedCombo(multiselect=False)],
) -> Conditioning:
    """Choose how a Flux-like model tells several reference latents apart.

    Args:
        conditioning: The prompt with its reference latents.
        reference_latents_method: Positions beside each other, or numbers.
    """
    return with_values(conditioning, reference_latents_method=reference_latents_method)


@node(id="FluxKontextImageScale", category=_FLUX, output_tooltips=("The resized image.",))
def flux_kontext_image_scale(image: Image) -> Image:
    """Resize an image to the size nearest in proportions among those Flux Kontext was trained on.

    Args:
        image: The image; what does not fit the new proportions is cut off.
    """
    from host.builtin_nodes.images.scaling import scale

    proportions = image.shape[2] / image.shape[1]
    width, height = min(_KONTEXT_WIDTHS.items(), key=lambda size: abs(proportions - size[0] / size[1]))
    return scale(image.movedim(-1, 1), width, height, "lanczos", crop="center").movedim(1, -1)


@node(id="ReferenceLatent", category="advanced/conditioning/edit_models", output_tooltips=("The prompt with it.",))
def reference_latent(conditioning: Conditioning, latent: Latent | None = None) -> Conditioning:
    """Show an editing model an image besides the prompt; several can be chained.

    Args:
        conditioning: The prompt.
        latent: The encoded image; without one nothing changes.
    """
    if latent is None:
        return conditioning
    return with_appended(conditioning, "reference_latents", latent["samples"])


@node(id="LTXVConditioning", category="conditioning/video_models", names=_BOTH, output_tooltips=_BOTH_TIPS)
def ltxv_conditioning(
    positive: Conditioning, negative: Conditioning, frame_rate: Annotated[float, Range(0.0, 1000.0, 0.01)] = 25.0
) -> tuple[Conditioning, Conditioning]:
    """Tell LTX-Video how many frames a second the video will have.

    Args:
        positive: The positive prompt.
        negative: The negative prompt.
        frame_rate: Frames a second.
    """
    return with_values(positive, frame_rate=frame_rate), with_values(negative, frame_rate=frame_rate)


@node(
    id="ConditioningStableAudio",
    title="ConditioningStableAudio",
    category="conditioning",
    names=_BOTH,
    output_tooltips=_BOTH_TIPS,
)
def conditioning_stable_audio(
    positive: Conditioning, negative: Conditioning, seconds_start: _Seconds = 0.0, seconds_total: _Seconds = 47.0
) -> tuple[Conditioning, Conditioning]:
    """Tell Stable Audio which stretch of a recording it makes, and how long the whole is.

    Args:
        positive: The positive prompt.
        negative: The negative prompt.
        seconds_start: Where the stretch begins, in seconds.
        seconds_total: Length of the whole recording, in seconds.
    """
    times = {"seconds_start": seconds_start, "seconds_total": seconds_total}
    return with_values(positive, **times), with_values(negative, **times)


@node(
    id="StableCascade_StageB_Conditioning",
    category="conditioning/stable_cascade",
    output_tooltips=("The prompt with it.",),
)
def stable_cascade_stage_b_conditioning(conditioning: Conditioning, stage_c: Latent) -> Conditioning:
    """Hand the result of Stable Cascade's stage C to stage B.

    Args:
        conditioning: The prompt.
        stage_c: The latent that stage C has made.
    """
    return with_values(conditioning, stable_cascade_prior=stage_c["samples"])


@node(
    id="unCLIPConditioning",
    title="unCLIPConditioning",
    category="conditioning",
    output_tooltips=("The prompt with the picture.",),
)
def unclip_conditioning(
    conditioning: Conditioning,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[float, Range(-10.0, 10.0, 0.01)] = 1.0,
    noise_augmentation: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.0,
) -> Conditioning:
    """Show an unCLIP model a picture whose content it should vary. Several pictures are mixed.

    Args:
        conditioning: The prompt.
        clip_vision_output: What an image encoder says of the picture.
        strength: Weight of the picture; 0 leaves it out.
        noise_augmentation: How far the result may depart from the picture: 0 stays near, 1 departs far.
    """
    if strength == 0:
        return conditioning
    picture = {
        "clip_vision_output": clip_vision_output,
        "strength": strength,
        "noise_augmentation": noise_augmentation,
    }
    return with_appended(conditioning, "unclip_conditioning", picture)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that tell models more than a prompt."""
    return [
        *(flux_guidance, flux_disable_guidance, flux_kontext_multi_reference_latent_method, reference_latent),
        *(flux_kontext_image_scale, ltxv_conditioning, conditioning_stable_audio, stable_cascade_stage_b_conditioning),
        unclip_conditioning,
    ]
