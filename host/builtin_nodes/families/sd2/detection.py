"""Tells Stable Diffusion 2.x files from all others by their header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.builtin_nodes.families.clip_text.layout import check_context, find_clip_text
from host.builtin_nodes.families.ldm_unet.checkpoint import LdmCheckpoint, checkpoint_vae
from host.builtin_nodes.families.ldm_unet.layout import FoundUnet, find_unet, heads_for, refuse_encoders
from host.builtin_nodes.families.prediction_marks import ZERO_SNR_KEY, stated_prediction
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header, Identity

FAMILY = "sd2"

TEXT_PREFIX = "cond_stage_model.model."
LATENT_SCALE = 0.18215

UNDECIDED = "eps or v"
"""The prediction of a file whose header fits both kinds: its weights decide (``prediction.py``)."""

_PLAIN_CHANNELS = 4
_OTHERS = {
    "cond_stage_model.transformer.": "it has the text encoder of Stable Diffusion 1",
    "conditioner.": "it has several text encoders, as Stable Diffusion XL does, or an image encoder",
}


def detect(header: Header) -> Identity:
    """The identity of a file that holds a Stable Diffusion 2.x UNet.

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
            f"{layout.unet.context_channels}, has linear layers around its transformers and no conditioning vector"
        ),
    )


def read_layout(header: Header) -> LdmCheckpoint:
    """What a Stable Diffusion 2.x file holds and where.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    unet, facts = find_unet(header), stated_facts(header)
    refuse_encoders(header, _OTHERS)
    if unet.vector_channels:
        raise LayoutError("its UNet takes a conditioning vector, as Stable Diffusion XL and unCLIP do")
    if not unet.linear_projections:
        raise LayoutError("its transformers begin with a convolution, as in Stable Diffusion 1")
    text = find_clip_text(header, TEXT_PREFIX, "clip_h", facts, projected=True)
    if text:
        check_context(unet.context_channels, text)
    return LdmCheckpoint(
        unet_prefix=unet.prefix,
        diffusers=unet.diffusers,
        unet=unet.shape.with_heads(heads_for(unet.shape, whole_number(facts, "unet.heads"))),
        prediction=_prediction(header, facts, unet),
        latent_scale=LATENT_SCALE,
        zero_snr=ZERO_SNR_KEY in header.tensors,
        text=[text] if text else [],
        vae=checkpoint_vae(header),
    )


def _prediction(header: Header, facts: Mapping[str, Any], unet: FoundUnet) -> str:
    """Inpainting models all predict noise; of the others there are both kinds, with the same header."""
    stated = stated_prediction(header, facts)
    return stated or (UNDECIDED if unet.input_channels == _PLAIN_CHANNELS else "eps")
