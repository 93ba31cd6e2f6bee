"""``comfy.clip_vision``: image encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from host.comfyui.running import node_context
from host.comfyui.surface.held_models import ClipVisionModel

__all__ = ["ClipVisionModel", "Output", "load"]


class Output:
    """What an image encoder says of images, by attribute or by key: ``last_hidden_state``, ``image_embeds`` …"""

    def __init__(self, **tensors: Any) -> None:
        vars(self).update(tensors)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, tensor: Any) -> None:
        setattr(self, name, tensor)


def load(ckpt_path: str | Path) -> ClipVisionModel:
    """The image encoder in a file; an error that says what is in it instead where there is none."""
    from host.builtin_nodes.families.clip_vision.detection import IMAGE_ENCODER
    from host.builtin_nodes.loaders.files import part_of

    context, path = node_context("comfy.clip_vision.load"), Path(ckpt_path)
    parts = context.models.open_together({IMAGE_ENCODER: path})
    return ClipVisionModel(part_of(parts, "clip_vision", path.name))
