"""Tells Stable Diffusion 2.1 unCLIP checkpoints from all others by their header."""

from __future__ import annotations

from host.builtin_nodes.families.clip_text.layout import check_context, find_clip_text
from host.builtin_nodes.families.clip_vision.layout import ClipVisionLayout, find_clip_vision
from host.builtin_nodes.families.ldm_unet.checkpoint import LdmCheckpoint, checkpoint_vae
from host.builtin_nodes.families.ldm_unet.layout import find_unet, heads_for
from host.builtin_nodes.families.prediction_marks import stated_prediction
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.sd2.detection import LATENT_SCALE, TEXT_PREFIX, UNDECIDED
from host.builtin_nodes.families.stated_facts import stated_facts, whole_number
from sdk.models import Header, Identity

FAMILY = "sd2_unclip"

IMAGE_PREFIX = "embedder.model."
MEAN, DEVIATION = "noise_augmentor.data_mean", "noise_augmentor.data_std"


def detect(header: Header) -> Identity:
    """The identity of a file that holds an unCLIP model.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    layout, vision = read_layout(header)
    return Identity(
        family=FAMILY,
        kind="checkpoint",
        config={**layout.as_json(), "vision": vision.as_json()},
        because=(
            f"its UNet takes a vector of {layout.unet.vector_channels}: a summary of {vision.projection} by the "
            "image encoder beside it, and as much that tells how noisy that is"
        ),
    )


def read_layout(header: Header) -> tuple[LdmCheckpoint, ClipVisionLayout]:
    """What an unCLIP checkpoint holds and where, and its image encoder.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    facts = stated_facts(header)
    vision = find_clip_vision(header, IMAGE_PREFIX, facts)
    if vision is None:
        raise LayoutError(f"there is no image encoder below {IMAGE_PREFIX!r}")
    unet = find_unet(header)
    if (
        not unet.linear_projections
        or unet.vector_channels is None
        or unet.vector_channels != 2 * (vision.projection or 0)
    ):
        raise LayoutError("its UNet takes no vector of twice the width of its image encoder's summary")
    text = find_clip_text(header, TEXT_PREFIX, "clip_h", facts, projected=True)
    if text:
        check_context(unet.context_channels, text)
    checkpoint = LdmCheckpoint(
        unet_prefix=unet.prefix,
        diffusers=unet.diffusers,
        unet=unet.shape.with_heads(heads_for(unet.shape, whole_number(facts, "unet.heads"))),
        prediction=stated_prediction(header, facts) or UNDECIDED,
        latent_scale=LATENT_SCALE,
        text=[text] if text else [],
        vae=checkpoint_vae(header),
    )
    return checkpoint, vision
