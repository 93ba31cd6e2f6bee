"""Tells Stable Diffusion 1.x files from all others by their header."""

from __future__ import annotations

from host.builtin_nodes.families.clip_text.layout import check_context, find_clip_text
from host.builtin_nodes.families.ldm_unet.checkpoint import LdmCheckpoint, checkpoint_vae
from host.builtin_nodes.families.ldm_unet.layout import find_unet, refuse_encoders
from host.builtin_nodes.families.prediction_marks import ZERO_SNR_KEY, stated_prediction
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header, Identity

FAMILY = "sd1"

TEXT_PREFIX = "cond_stage_model.transformer."
LATENT_SCALE = 0.18215
_HEADS = 8
_OTHERS = {
    "cond_stage_model.model.": "it has an OpenCLIP text encoder, as Stable Diffusion 2 does",
    "conditioner.": "it has several text encoders, as Stable Diffusion XL does, or an image encoder",
}


def detect(header: Header) -> Identity:
    """The identity of a file that holds a Stable Diffusion 1.x UNet.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    layout = read_layout(header)
    return Identity(
        family=FAMILY,
        kind=layout.kind,
        config=layout.as_json(),
        because=(
            f"its UNet takes {layout.unet.in_channels} channels ({layout.variant}) and a context of "
            f"{layout.unet.context_channels}, has convolutions around its transformers and no conditioning vector"
        ),
    )


def read_layout(header: Header) -> LdmCheckpoint:
    """What a Stable Diffusion 1.x file holds and where.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    unet, facts = find_unet(header), stated_facts(header)
    refuse_encoders(header, _OTHERS)
    if unet.vector_channels:
        raise LayoutError("its UNet takes a conditioning vector, as Stable Diffusion XL does")
    if unet.linear_projections:
        raise LayoutError("its transformers begin with a linear layer, as in Stable Diffusion 2 and XL")
    text = find_clip_text(header, TEXT_PREFIX, "clip_l", facts)
    if text:
        check_context(unet.context_channels, text)
    heads = whole_number(facts, "unet.heads") or _HEADS
    return LdmCheckpoint(
        unet_prefix=unet.prefix,
        diffusers=unet.diffusers,
        unet=unet.shape.with_heads([heads] * len(unet.shape.channels)),
        prediction=stated_prediction(header, facts) or "eps",
        latent_scale=LATENT_SCALE,
        zero_snr=ZERO_SNR_KEY in header.tensors,
        text=[text] if text else [],
        vae=checkpoint_vae(header),
    )
