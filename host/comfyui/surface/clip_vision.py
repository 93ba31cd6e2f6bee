"""``comfy.clip_vision``: image encoders."""

from __future__ import annotations

from pathlib import Path

from host.comfyui.running import node_context
from host.comfyui.surface.held_models import ClipVisionModel

__all__ = ["ClipVisionModel", "load"]


def load(ckpt_path: str | Path) -> ClipVisionModel:
    """The image encoder in a file; an error that says what is in it instead where there is none."""
    from host.builtin_nodes.families.clip_vision.detection import IMAGE_ENCODER
    from host.builtin_nodes.loaders.files import part_of

    context, path = node_context("comfy.clip_vision.load"), Path(ckpt_path)
    parts = context.models.open_together({IMAGE_ENCODER: path})
    return ClipVisionModel(part_of(parts, "clip_vision", path.name), context)
