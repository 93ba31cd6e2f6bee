"""Tells image encoders from all other files by their header."""

from __future__ import annotations

from host.builtin_nodes.families.clip_text.names import ORIGINAL_TOKENS, TEXT_MODEL, TOKENS
from host.builtin_nodes.families.clip_vision.layout import ClipVisionLayout, find_clip_vision
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk.models import Header, Identity

FAMILY = "clip_vision"

IMAGE_ENCODER = "image_encoder"
"""The name under which a loader opens a file whose image encoder is wanted, whatever else is in it."""

_OTHERS = ("model.diffusion_model.", "first_stage_model.")


def detect(header: Header) -> Identity:
    """The identity of a file that holds an image encoder, and nothing else that the file would rather be.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    layout = read_layout(header)
    return Identity(
        family=FAMILY,
        kind="clip_vision",
        config={"vision": layout.as_json()},
        because=(
            f"it has {layout.layers} layers of {layout.width} channels over patches of {layout.patch} x "
            f"{layout.patch} pixels of images of {layout.image_size} x {layout.image_size}"
        ),
    )


def read_layout(header: Header) -> ClipVisionLayout:
    """The image encoder of a file.

    Raises:
        LayoutError: there is none, or something that the file would rather be.
    """
    facts = stated_facts(header)
    wanted = f"{IMAGE_ENCODER}."
    own = {name.removeprefix(wanted): value for name, value in facts.items()}
    asked_for = find_clip_vision(header, wanted, own)
    if asked_for is not None:
        return asked_for
    layout = find_clip_vision(header, "", facts)
    if layout is None:
        raise LayoutError("there is no image encoder in it")
    if any(key in header.tensors for key in (TOKENS, TEXT_MODEL + TOKENS, ORIGINAL_TOKENS)):
        raise LayoutError("there is a text encoder in it, too")
    if header.has_prefix(*_OTHERS):
        raise LayoutError("there is more in it than an image encoder")
    return layout
