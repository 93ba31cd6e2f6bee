"""Builds CLIP text encoders for their layouts."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch.nn import Module, ModuleDict

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.clip_text.long_positions import LongPositions
from host.builtin_nodes.text.clip_model import clip_config, clip_text_model


def build_clip_text(layout: ClipTextLayout) -> Module:
    """transformers' model in evaluation mode; under the meta device its parameters are without storage."""
    config = clip_config(
        vocabulary=layout.vocabulary,
        width=layout.width,
        mlp=layout.mlp,
        layers=layout.layers,
        heads=layout.heads,
        positions=layout.positions,
        activation=layout.activation,
        projection=layout.projection,
    )
    model: Any = clip_text_model(config, projected=layout.projection is not None)
    if layout.long_positions:
        text_model = getattr(model, "text_model", model)
        text_model.embeddings.position_embedding = LongPositions(layout.positions, layout.width)
    built: Module = model.eval().requires_grad_(False)
    return built


def build_encoders(layouts: Iterable[ClipTextLayout]) -> ModuleDict:
    """Each encoder under its key."""
    return ModuleDict({layout.key: build_clip_text(layout) for layout in layouts}).eval()
