"""What Stable Diffusion 3 makes of its text encoders' results (Esser et al. 2024, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from host.builtin_nodes.families.text_encoders.adapter import Join, JointTextAdapter, joint_text_adapter
from host.builtin_nodes.families.text_encoders.encoders import CLIP_G, CLIP_L, T5, Encoders

if TYPE_CHECKING:
    from host.builtin_nodes.text.weighting import EncodedPrompt

T5_LENGTH = 77
_CONTEXT = 4096
_WIDTHS = {CLIP_L: 768, CLIP_G: 1280}


def sd3_text_adapter(encoders: Encoders, file: Path) -> JointTextAdapter:
    """The adapter for one to three encoders; those missing count as zeros."""
    context = _CONTEXT if encoders.t5 is None else encoders.t5[1].width
    widths = {layout.key: layout.projection or layout.width for layout in encoders.clips}
    join = _join(context, {**_WIDTHS, **widths})
    return joint_text_adapter(
        encoders, join, model="Stable Diffusion 3", file=file, t5_length=T5_LENGTH, stop=-2, final_norm=False
    )


def _join(context: int, widths: Mapping[str, int]) -> Join:
    """CLIP-L's and CLIP-G's states side by side, filled up to the context's width, then T5's; pooled side by side."""

    def join(encoded: Mapping[str, EncodedPrompt]) -> EncodedPrompt:
        import torch

        from host.builtin_nodes.text.weighting import EncodedPrompt, join_channels

        clips = [encoded[key].states for key in widths if key in encoded]
        if clips and CLIP_L not in encoded:
            clips.insert(0, torch.zeros(1, clips[0].shape[1], widths[CLIP_L]))
        parts = [join_channels(*clips, width=context)] if clips else []
        parts += [encoded[T5].states] if T5 in encoded else []
        states = torch.cat(parts, dim=1) if parts else torch.zeros(1, T5_LENGTH, context)
        pooled = [encoded[key].pooled if key in encoded else torch.zeros(1, width) for key, width in widths.items()]
        return EncodedPrompt(states, torch.cat([vector for vector in pooled if vector is not None], dim=1))

    return join
