"""Where a network lies in a file: trainers and tools put different things before the same names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import Header

_WRAPPERS = ("module.", "_orig_mod.")
"""What torch puts before the names of a network that was trained on several devices, or compiled."""

DENOISER_PLACES = (
    "model.diffusion_model.",
    "diffusion_model.",
    "model.model.",
    "model.",
    "net.",
    "unet.",
    "transformer.",
    *_WRAPPERS,
    "",
)
"""What may precede a denoiser's names; in whole checkpoints it is the first of these."""

TEXT_ENCODER_PLACES = (
    "",
    "model.",
    "transformer.",
    "text_encoder.",
    "text_encoder_2.",
    "text_encoder_3.",
    "text_encoders.",
    "text_encoders.transformer.",
    "cond_stage_model.transformer.",
    "cond_stage_model.model.",
    "conditioner.embedders.0.transformer.",
    "conditioner.embedders.0.model.",
    "conditioner.embedders.1.model.",
    *_WRAPPERS,
)
"""What may precede the names of a text encoder alone: tools leave what it had inside of a checkpoint."""

_ENCODER_MARKS = ("token_embedding.weight", "block.0.layer.0.SelfAttention.q.weight", "enc.blk.0.attn_q.weight")
"""How a name ends that a text encoder has once."""

_REMEMBERED = 64

VAE_PLACES = ("", "first_stage_model.", "vae.", "autoencoder.", *_WRAPPERS)
"""What may precede the names of an autoencoder alone."""


def find_place(header: Header, places: Sequence[str], marks: Sequence[str]) -> str | None:
    """The first of the places after which a file has a tensor of one of these names; None where there is none."""
    return next((place for name, place in _marked(tuple(places), tuple(marks)) if name in header.tensors), None)


@lru_cache(_REMEMBERED)
def _marked(places: Sequence[str], marks: Sequence[str]) -> list[tuple[str, str]]:
    """Each mark's name in each place, and that place; put together once, which takes longer than to look."""
    return [(place + mark, place) for place in places for mark in marks]


def text_encoder_places(*keys: str) -> list[str]:
    """What may precede the names of a text encoder alone, which a file may also call by one of these keys."""
    below = ("", *(f"{key}.{inside}" for key in keys for inside in ("", "transformer.")))
    return [place + name for place in TEXT_ENCODER_PLACES for name in below]


def check_lone_encoder(header: Header) -> None:
    """Refuse a file with several text encoders, which is part of a checkpoint.

    Raises:
        LayoutError: there is more than one.
    """
    count = sum(key.endswith(_ENCODER_MARKS) for key in header.tensors)
    if count > 1:
        raise LayoutError(f"there are {count} text encoders in it")
