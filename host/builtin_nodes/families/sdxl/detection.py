"""Tells Stable Diffusion XL files from all others by their header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout, check_context, find_clip_text
from host.builtin_nodes.families.ldm_unet.checkpoint import LdmCheckpoint, checkpoint_vae
from host.builtin_nodes.families.ldm_unet.layout import FoundUnet, find_unet, heads_for, refuse_encoders
from host.builtin_nodes.families.prediction_marks import ZERO_SNR_KEY, stated_prediction
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header, Identity

FAMILY = "sdxl"

TEXT_PREFIXES = {"clip_l": "conditioner.embedders.0.transformer.", "clip_g": "conditioner.embedders.1.model."}
LATENT_SCALE, PLAYGROUND_SCALE = 0.13025, 0.5
SIZE_CHANNELS = 6 * 256
"""Channels of the conditioning vector that hold sizes; the others hold the pooled prompt."""

_REFINER_CHANNELS = 5 * 256

EDM_MARKS = ("edm_mean", "edm_std")
"""Tensors of Playground v2.5, which was trained with the parametrisation of Karras et al. 2022."""

SIGMA_MARKS = ("edm_vpred.sigma_min", "edm_vpred.sigma_max")
"""Tensors of CosXL: the lowest and highest of its continuous noise levels."""

_OTHERS = {"cond_stage_model.": "it has the text encoder of Stable Diffusion 1 or 2"}


def detect(header: Header) -> Identity:
    """The identity of a file that holds the UNet of Stable Diffusion XL's base model.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    layout = read_layout(header)
    unet = layout.unet
    return Identity(
        family=FAMILY,
        kind=layout.kind,
        config=layout.as_json(),
        because=(
            f"its UNet takes {unet.in_channels} channels ({layout.variant}), a context of {unet.context_channels} "
            f"and a vector of {unet.vector_channels} with six sizes, and has no attention at the highest resolution"
        ),
    )


def read_layout(header: Header) -> LdmCheckpoint:
    """What a Stable Diffusion XL file holds and where.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    unet, facts = find_unet(header), stated_facts(header)
    refuse_encoders(header, _OTHERS)
    pooled = _pooled_channels(unet)
    text = _encoders(header, facts)
    if text:
        _check_encoders(text, unet.context_channels, pooled)
    playground, cosxl = (all(mark in header.tensors for mark in marks) for marks in (EDM_MARKS, SIGMA_MARKS))
    stated = stated_prediction(header, facts) or "eps"
    return LdmCheckpoint(
        unet_prefix=unet.prefix,
        diffusers=unet.diffusers,
        unet=unet.shape.with_heads(heads_for(unet.shape, whole_number(facts, "unet.heads"))),
        prediction="edm" if playground else "v" if cosxl else stated,
        latent_scale=PLAYGROUND_SCALE if playground else LATENT_SCALE,
        zero_snr=ZERO_SNR_KEY in header.tensors,
        continuous=playground or cosxl,
        text=text,
        vae=checkpoint_vae(header),
    )


def _pooled_channels(unet: FoundUnet) -> int:
    """Width of the pooled prompt that the UNet takes."""
    if not unet.linear_projections or unet.vector_channels is None:
        raise LayoutError("its UNet takes no conditioning vector")
    pooled = unet.vector_channels - SIZE_CHANNELS
    if any(unet.shape.fields["down_depths"][0]):
        raise LayoutError("its UNet has attention at the highest resolution, as unCLIP models have")
    if unet.vector_channels - _REFINER_CHANNELS == unet.context_channels:
        raise LayoutError("its UNet's vector has five numbers, as that of the refiner")
    if pooled <= 0 or unet.context_channels <= pooled:
        raise LayoutError(
            f"its UNet's vector of {unet.vector_channels} channels has no place for six numbers and a pooled prompt "
            f"narrower than its context of {unet.context_channels}"
        )
    return pooled


def _encoders(header: Header, facts: Mapping[str, Any]) -> list[ClipTextLayout]:
    found = [
        find_clip_text(header, prefix, key, facts, projected=key == "clip_g") for key, prefix in TEXT_PREFIXES.items()
    ]
    encoders = [layout for layout in found if layout is not None]
    if encoders and len(encoders) < len(found):
        raise LayoutError(f"of its two text encoders there is only {encoders[0].key}")
    return encoders


def _check_encoders(text: list[ClipTextLayout], context: int, pooled: int) -> None:
    check_context(context, *text)
    if text[-1].projection != pooled:
        raise LayoutError(f"its UNet takes a pooled prompt of {pooled} channels, clip_g gives {text[-1].projection}")
