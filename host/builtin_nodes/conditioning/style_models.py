"""Nodes that let an image's style join a prompt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from host.builtin_nodes.loaders.files import part_of
from sdk import (
    Choice,
    ClipVisionOutput,
    Conditioning,
    NodeContext,
    NodeType,
    Range,
    StyleModel,
    hookimpl,
    node,
)


@node(
    id="StyleModelLoader",
    title="Load Style Model",
    category="loaders",
    output_tooltips=("The style network.",),
    reads=("style_model_name",),
)
def style_model_loader(
    style_model_name: Annotated[str, Choice(source="folder:style_models")], context: NodeContext
) -> StyleModel:
    """Open a style network: T2I's style adapter for Stable Diffusion 1, or Flux Redux.

    Args:
        style_model_name: The file, in the model folder "style_models".
    """
    path = context.folders.find("style_models", style_model_name)
    return part_of(context.models.open(path), "style_model", style_model_name)


@node(
    id="StyleModelApply",
    title="Apply Style Model",
    category="conditioning/style_model",
    output_tooltips=("The prompt with the image's style.",),
)
def style_model_apply(
    *,
    conditioning: Conditioning,
    style_model: StyleModel,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[float, Range(0.0, 10.0, 0.001)] = 1.0,
    strength_type: Literal["multiply", "attn_bias"],
    context: NodeContext,
) -> Conditioning:
    """Let an image speak beside the prompt.

    Args:
        conditioning: The prompt.
        style_model: The style network.
        clip_vision_output: What the image encoder that belongs to it says of the image.
        strength: How much the image counts; 1 is what the network was trained for.
        strength_type: Multiply the image's tokens by the strength, or have attention look at them so many times as
            much, which only Flux-like models do.
    """
    from host.builtin_nodes.families.style_models.joining import joined

    with context.models.borrow(style_model) as module:
        tokens = style_model.adapter.tokens(module, clip_vision_output.last_hidden_state)
    if strength_type == "multiply":
        return joined(conditioning, tokens * strength)
    return joined(conditioning, tokens, attention=strength)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for style networks."""
    return [style_model_loader, style_model_apply]
