"""Nodes that merge models and text encoders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.merging.blending import Share, merged
from sdk import Clip, Model, NodeContext, NodeType, Range, hookimpl, node

_CATEGORY = "advanced/model_merging"
Ratio = Annotated[float, Range(0.0, 1.0, 0.01)]
Multiplier = Annotated[float, Range(-10.0, 10.0, 0.01)]
_MODEL, _CLIP = ("The merged model.",), ("The merged text encoder.",)


@node(id="ModelMergeSimple", category=_CATEGORY, output_tooltips=_MODEL)
def model_merge_simple(model1: Model, model2: Model, context: NodeContext, ratio: Ratio = 1.0) -> Model:
    """Mix two models: ``ratio * model1 + (1 - ratio) * model2``.

    Args:
        model1: The one whose options the result keeps.
        model2: The other one, of the same kind.
        ratio: Share of the first: 1 is the first alone.
    """
    return merged(model1, model2, lambda name: Share(ratio, 1.0 - ratio), context)


@node(id="ModelMergeAdd", category=_CATEGORY, output_tooltips=_MODEL)
def model_merge_add(model1: Model, model2: Model, context: NodeContext) -> Model:
    """Add the weights of a model, such as the difference between two, to another.

    Args:
        model1: The model to add to.
        model2: What is added.
    """
    return merged(model1, model2, lambda name: Share(1.0, 1.0), context)


@node(id="ModelMergeSubtract", category=_CATEGORY, output_tooltips=_MODEL)
def model_merge_subtract(model1: Model, model2: Model, context: NodeContext, multiplier: Multiplier = 1.0) -> Model:
    """The difference between two models: ``multiplier * (model1 - model2)``.

    Args:
        model1: The model to subtract from.
        model2: What is subtracted.
        multiplier: Factor of the difference.
    """
    return merged(model1, model2, lambda name: Share(multiplier, -multiplier), context)


@node(id="CLIPMergeSimple", category=_CATEGORY, output_tooltips=_CLIP)
def clip_merge_simple(clip1: Clip, clip2: Clip, context: NodeContext, ratio: Ratio = 1.0) -> Clip:
    """Mix two text encoders: ``ratio * clip1 + (1 - ratio) * clip2``.

    Args:
        clip1: The one whose options the result keeps.
        clip2: The other one, of the same kind.
        ratio: Share of the first: 1 is the first alone.
    """
    return merged(clip1, clip2, lambda name: Share(ratio, 1.0 - ratio), context)


@node(id="CLIPMergeAdd", category=_CATEGORY, output_tooltips=_CLIP)
def clip_merge_add(clip1: Clip, clip2: Clip, context: NodeContext) -> Clip:
    """Add the weights of a text encoder, such as the difference between two, to another.

    Args:
        clip1: The text encoder to add to.
        clip2: What is added.
    """
    return merged(clip1, clip2, lambda name: Share(1.0, 1.0), context)


@node(id="CLIPMergeSubtract", category=_CATEGORY, output_tooltips=_CLIP)
def clip_merge_subtract(clip1: Clip, clip2: Clip, context: NodeContext, multiplier: Multiplier = 1.0) -> Clip:
    """The difference between two text encoders: ``multiplier * (clip1 - clip2)``.

    Args:
        clip1: The text encoder to subtract from.
        clip2: What is subtracted.
        multiplier: Factor of the difference.
    """
    return merged(clip1, clip2, lambda name: Share(multiplier, -multiplier), context)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that merge models and text encoders."""
    return [
        *(model_merge_simple, model_merge_add, model_merge_subtract),
        *(clip_merge_simple, clip_merge_add, clip_merge_subtract),
    ]
