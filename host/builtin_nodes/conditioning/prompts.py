"""Nodes that turn prompts into conditioning, and change conditioning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from sdk import Clip, Conditioning, Multiline, NodeContext, NodeError, NodeType, Range, hookimpl, node


@node(
    id="CLIPTextEncode",
    title="CLIP Text Encode (Prompt)",
    category="conditioning",
    output_tooltips=("What the prompt means to the denoiser.",),
)
def clip_text_encode(text: Annotated[str, Multiline(dynamic=True)], clip: Clip, context: NodeContext) -> Conditioning:
    """Turn a prompt into conditioning.

    Parentheses weigh words: "(word)" counts 1.1 times, "(word:1.3)" 1.3 times. "embedding:name" puts the vectors of
    a textual-inversion file in that place.

    Args:
        text: The prompt.
        clip: The text encoder.
    """
    from host.builtin_nodes.text.bundled_embeddings import embeddings_for
    from host.builtin_nodes.text.errors import TextError

    try:
        tokens = clip.adapter.tokenize(text, embeddings_for(clip, context.folders))
    except TextError as error:
        raise NodeError(str(error)) from error
    with context.models.borrow(clip) as module:
        encoded = clip.adapter.encode(module, tokens, clip.options)
    return [[encoded.states, {"pooled_output": encoded.pooled}]]


@node(
    id="CLIPSetLastLayer",
    title="CLIP Set Last Layer",
    category="conditioning",
    output_tooltips=("The same text encoder, read out at the chosen layer.",),
)
def clip_set_last_layer(clip: Clip, stop_at_clip_layer: Annotated[int, Range(-24, -1, 1)] = -1) -> Clip:
    """Choose the layer of the text encoder whose output is used ("clip skip").

    Args:
        clip: The text encoder.
        stop_at_clip_layer: Counted from the end: -1 is the last layer, -2 the one before it.
    """
    return clip.with_options(stop_at_layer=stop_at_clip_layer)


@node(
    id="ConditioningZeroOut",
    category="advanced/conditioning",
    output_tooltips=("Conditioning of the same shape that says nothing.",),
)
def conditioning_zero_out(conditioning: Conditioning) -> Conditioning:
    """Replace what a prompt says by zeros. Some models take that for "no prompt".

    Args:
        conditioning: The conditioning whose shape is kept.
    """
    return [[tensor.new_zeros(tensor.shape), _zeroed(options)] for tensor, options in conditioning]


def _zeroed(options: dict[str, Any]) -> dict[str, Any]:
    given = {name: options.get(name) for name in ("pooled_output", "conditioning_lyrics")}
    zeroed = {name: value.new_zeros(value.shape) for name, value in given.items() if value is not None}
    return {**options, **zeroed}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make and change conditioning."""
    return [clip_text_encode, clip_set_last_layer, conditioning_zero_out]
