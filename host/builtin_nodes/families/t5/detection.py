"""Tells T5 encoders that stand alone from all other files by their header."""

from __future__ import annotations

from host.builtin_nodes.families.places import check_lone_encoder, find_place, text_encoder_places
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.t5.config import MARKER, MARKS, places_below, t5_config
from sdk.models import Header, Identity

FAMILY = "t5"

_PLACES = [place for prefix in text_encoder_places("t5xxl") for place in places_below(prefix)]
_OTHERS = ("model.diffusion_model.", "first_stage_model.", "joint_blocks.", "double_blocks.", "decoder.")
_XXL = 4096


def detect(header: Header) -> Identity:
    """The identity of a file that is a T5 encoder alone.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    prefix = find_place(header, _PLACES, MARKS)
    if prefix is None:
        raise LayoutError(f"there is no T5 encoder in it ({MARKER})")
    if header.has_prefix(*_OTHERS):
        raise LayoutError("there is more in it than a T5 encoder")
    check_lone_encoder(header)
    config = t5_config(header, prefix)
    return Identity(
        family=FAMILY,
        kind="text_encoder",
        config={
            "prefix": prefix,
            "t5": config.as_json(),
            "text_encoders": ["t5xxl" if config.width == _XXL else "t5"],
            "quantisation": header.metadata.get("quantisation") or _quantisation(header, prefix),
        },
        because=f"it has {config.layers} layers of {config.width} channels of a T5 with gated MLPs",
    )


def _quantisation(header: Header, prefix: str) -> str | None:
    """How the weights are stored, where that takes more than their dtype to say."""
    stem = prefix + MARKER.removesuffix("weight")
    if f"{stem}scale_weight" not in header.tensors:
        return None
    return f"fp8 {header.tensors[prefix + MARKER].dtype.removeprefix('F8_').lower()} with per-tensor scale_weight"
