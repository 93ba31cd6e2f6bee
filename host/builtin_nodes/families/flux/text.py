"""What Flux makes of its text encoders' results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from host.builtin_nodes.families.flux.config import TEXT_ENCODERS
from host.builtin_nodes.families.text_encoders.adapter import JointTextAdapter, joint_text_adapter
from host.builtin_nodes.families.text_encoders.encoders import CLIP_L, T5, Encoders
from sdk import NodeError

if TYPE_CHECKING:
    from host.builtin_nodes.text.weighting import EncodedPrompt

T5_LENGTH = 256


def flux_text_adapter(encoders: Encoders, file: Path) -> JointTextAdapter:
    """The adapter for CLIP-L and T5."""
    return joint_text_adapter(encoders, _join, model="Flux", file=file, t5_length=T5_LENGTH, stop=-1, final_norm=True)


def _join(encoded: Mapping[str, EncodedPrompt]) -> EncodedPrompt:
    """T5's states and CLIP-L's pooled vector, which isn't projected."""
    from host.builtin_nodes.text.weighting import EncodedPrompt

    missing = [key for key in TEXT_ENCODERS if key not in encoded]
    if missing:
        raise NodeError(f"Flux needs prompts for CLIP-L and T5; there is none for {' and '.join(missing)}.")
    return EncodedPrompt(encoded[T5].states, encoded[CLIP_L].pooled)
