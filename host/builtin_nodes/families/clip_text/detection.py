"""Tells CLIP text encoders that stand alone from all other files by their header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout, find_clip_text
from host.builtin_nodes.families.clip_text.names import ORIGINAL_TOKENS, TEXT_MODEL, TOKENS
from host.builtin_nodes.families.places import check_lone_encoder, find_place, text_encoder_places
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk.models import Header, Identity

FAMILY = "clip_text"

_PLACES = text_encoder_places("clip_l", "clip_g", "clip_h")
_TABLES = (TOKENS, TEXT_MODEL + TOKENS, ORIGINAL_TOKENS)
_OTHERS = ("model.diffusion_model.", "first_stage_model.", "input_blocks.", "joint_blocks.", "double_blocks.")
_KEYS_BY_WIDTH = {1024: "clip_h", 1280: "clip_g"}


def detect(header: Header) -> Identity:
    """The identity of a file that is a CLIP text encoder alone.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    layout = read_layout(header)
    return Identity(
        family=FAMILY,
        kind="text_encoder",
        config={"text": layout.as_json(), "text_encoders": [layout.key]},
        because=(
            f"it has {layout.layers} layers of {layout.width} channels, {layout.vocabulary} tokens and "
            f"{layout.positions} positions of a CLIP text encoder"
        ),
    )


def read_layout(header: Header) -> ClipTextLayout:
    """The encoder in a file, and which one it is: its width tells, or the metadata states it as ``text_encoder``.

    Raises:
        LayoutError: there is none, or more than that.
    """
    place = find_place(header, _PLACES, _TABLES) if header.mentions(ORIGINAL_TOKENS) else None
    if place is None:
        raise LayoutError("there is no CLIP text encoder in it that stands alone")
    if header.has_prefix(*_OTHERS):
        raise LayoutError("there is more in it than a text encoder")
    check_lone_encoder(header)
    facts = stated_facts(header)
    key = _key(facts, next(shape for table in _TABLES if (shape := header.shape(place + table)) is not None))
    # CLIP-L's pooled vector is used as it is.
    layout = find_clip_text(header, place, key, facts, projected=key != "clip_l")
    if layout is None:
        raise LayoutError("its text encoder has no tokens")
    return layout


def _key(facts: Mapping[str, Any], tokens: tuple[int, ...]) -> str:
    stated = facts.get("text_encoder")
    if stated in ("clip_l", "clip_h", "clip_g"):
        return str(stated)
    return _KEYS_BY_WIDTH.get(tokens[-1] if tokens else 0, "clip_l")
