"""Tells files of Stable Diffusion XL's refiner from all others by their header."""

from __future__ import annotations

from host.builtin_nodes.families.clip_text.layout import check_context, find_clip_text
from host.builtin_nodes.families.ldm_unet.checkpoint import LdmCheckpoint, checkpoint_vae
from host.builtin_nodes.families.ldm_unet.layout import find_unet, heads_for, refuse_encoders
from host.builtin_nodes.families.prediction_marks import ZERO_SNR_KEY, stated_prediction
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header, Identity

FAMILY = "sdxl_refiner"

TEXT_PREFIX = "conditioner.embedders.0.model."
LATENT_SCALE = 0.13025
NUMBER_CHANNELS = 5 * 256
"""Channels of the conditioning vector that hold sizes and score; the others hold the pooled prompt."""

_OTHERS = {
    "cond_stage_model.": "it has the text encoder of Stable Diffusion 1 or 2",
    "conditioner.embedders.0.transformer.": "it has the text encoders of Stable Diffusion XL's base model",
}


def detect(header: Header) -> Identity:
    """The identity of a file that holds a refiner's UNet.

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
            f"its UNet takes a context of {unet.context_channels} and a vector of {unet.vector_channels}: a pooled "
            "prompt of the same width, four sizes and an aesthetic score"
        ),
    )


def read_layout(header: Header) -> LdmCheckpoint:
    """What a refiner's file holds and where.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    unet, facts = find_unet(header), stated_facts(header)
    refuse_encoders(header, _OTHERS)
    if not unet.linear_projections or unet.vector_channels is None:
        raise LayoutError("its UNet takes no conditioning vector")
    if unet.context_channels != unet.vector_channels - NUMBER_CHANNELS:
        raise LayoutError(
            f"its UNet's vector of {unet.vector_channels} channels is not five numbers and a pooled prompt as wide "
            f"as its context of {unet.context_channels}"
        )
    text = find_clip_text(header, TEXT_PREFIX, "clip_g", facts, projected=True)
    if text:
        check_context(unet.context_channels, text)
    return LdmCheckpoint(
        unet_prefix=unet.prefix,
        diffusers=unet.diffusers,
        unet=unet.shape.with_heads(heads_for(unet.shape, whole_number(facts, "unet.heads"))),
        prediction=stated_prediction(header, facts) or "eps",
        latent_scale=LATENT_SCALE,
        zero_snr=ZERO_SNR_KEY in header.tensors,
        text=[text] if text else [],
        vae=checkpoint_vae(header),
    )
