"""Nodes that multiply the weights of attention layers, to find out what those layers do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.model_patches.attention_scale import by_dimension, by_projection, multiplied
from sdk import Clip, Model, NodeContext, NodeType, Range, hookimpl, node

_CATEGORY = "_for_testing/attention_experiments"
_MODEL = ("The model with its weights multiplied.",)
_Factor = Annotated[float, Range(0.0, 10.0, 0.01)]


@node(id="UNetSelfAttentionMultiply", category=_CATEGORY, output_tooltips=_MODEL, experimental=True)
def unet_self_attention_multiply(
    context: NodeContext,
    model: Model,
    q: _Factor = 1.0,
    k: _Factor = 1.0,
    v: _Factor = 1.0,
    out: _Factor = 1.0,
) -> Model:
    """Multiply the weights by which a UNet relates places of the picture to each other.

    Args:
        model: A UNet.
        q: Factor for the queries.
        k: Factor for the keys.
        v: Factor for the values.
        out: Factor for the output.
    """
    return multiplied(model, context, [by_projection("attn1", {"to_q": q, "to_k": k, "to_v": v, "to_out.0": out})])


@node(id="UNetCrossAttentionMultiply", category=_CATEGORY, output_tooltips=_MODEL, experimental=True)
def unet_cross_attention_multiply(
    context: NodeContext,
    model: Model,
    q: _Factor = 1.0,
    k: _Factor = 1.0,
    v: _Factor = 1.0,
    out: _Factor = 1.0,
) -> Model:
    """Multiply the weights by which a UNet relates places of the picture to the prompt.

    Args:
        model: A UNet.
        q: Factor for the queries.
        k: Factor for the keys.
        v: Factor for the values.
        out: Factor for the output.
    """
    return multiplied(model, context, [by_projection("attn2", {"to_q": q, "to_k": k, "to_v": v, "to_out.0": out})])


@node(
    id="CLIPAttentionMultiply",
    category=_CATEGORY,
    output_tooltips=("The text encoder with its weights multiplied.",),
    experimental=True,
)
def clip_attention_multiply(
    context: NodeContext,
    clip: Clip,
    q: _Factor = 1.0,
    k: _Factor = 1.0,
    v: _Factor = 1.0,
    out: _Factor = 1.0,
) -> Clip:
    """Multiply the weights by which a text encoder relates the words of a prompt to each other.

    Args:
        clip: A CLIP text encoder.
        q: Factor for the queries.
        k: Factor for the keys.
        v: Factor for the values.
        out: Factor for the output.
    """
    factors = {"q_proj": q, "k_proj": k, "v_proj": v, "out_proj": out}
    return multiplied(clip, context, [by_projection("self_attn", factors)])


@node(id="UNetTemporalAttentionMultiply", category=_CATEGORY, output_tooltips=_MODEL, experimental=True)
def unet_temporal_attention_multiply(
    context: NodeContext,
    model: Model,
    self_structural: _Factor = 1.0,
    self_temporal: _Factor = 1.0,
    cross_structural: _Factor = 1.0,
    cross_temporal: _Factor = 1.0,
) -> Model:
    """Multiply the outputs of a video UNet's attention, within frames and over time.

    Args:
        model: A UNet for video.
        self_structural: Factor for self-attention within a frame.
        self_temporal: Factor for self-attention over time.
        cross_structural: Factor for attention to the prompt within a frame.
        cross_temporal: Factor for attention to the prompt over time.
    """
    rules = [
        by_dimension("attn1", self_structural, self_temporal),
        by_dimension("attn2", cross_structural, cross_temporal),
    ]
    return multiplied(model, context, rules)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for experiments with attention."""
    return [
        unet_self_attention_multiply,
        unet_cross_attention_multiply,
        clip_attention_multiply,
        unet_temporal_attention_multiply,
    ]
