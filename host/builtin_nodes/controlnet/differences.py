"""Control networks whose file has only the differences to a model's weights."""

from __future__ import annotations

from host.builtin_nodes.merging.blending import Blend, Share
from sdk import Delta, ModelAccess, ModelHandle, PatchSet

_MARK = "difference"
"""A tensor whose presence says that the others are differences."""


def with_base(control: ModelHandle, model: ModelHandle, models: ModelAccess) -> ModelHandle:
    """The control network with the model's weights added to those it shares with it, if its file has differences."""
    if _MARK not in models.stored(control).header.tensors:
        return control
    own, base = models.weights(control).shapes, models.weights(model)
    deltas: dict[str, Delta] = {
        name: Blend(Share(1.0, 1.0), base, name) for name, shape in base.shapes.items() if own.get(name) == shape
    }
    return control.with_patches(PatchSet(key=f"base:{model.key}:{model.patch_key}", deltas=deltas), 1.0)
