"""Nodes that encode a prompt for control networks, and set how prompts are cut into tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from sdk import Clip, Conditioning, Multiline, NodeContext, NodeType, Range, hookimpl, node

_CATEGORY = "_for_testing/conditioning"
_Tokens = Annotated[int, Range(0, 10_000, 1)]


@node(
    id="CLIPTextEncodeControlnet",
    category=_CATEGORY,
    output_tooltips=("The prompt, with another one for control networks.",),
    experimental=True,
)
def clip_text_encode_controlnet(
    clip: Clip, conditioning: Conditioning, text: Annotated[str, Multiline(dynamic=True)], context: NodeContext
) -> Conditioning:
    """Give control networks a prompt of their own.

    Args:
        clip: The text encoder.
        conditioning: The prompt that the model itself sees.
        text: The prompt that its control networks see.
    """
    from host.builtin_nodes.conditioning.prompts import clip_text_encode
    from host.builtin_nodes.conditioning.values import with_values
    from host.builtin_nodes.controlnet.control import CONTROL_POOLED, CONTROL_TEXT

    ((states, options),) = clip_text_encode(text, clip, context)
    return with_values(conditioning, **{CONTROL_TEXT: states, CONTROL_POOLED: options["pooled_output"]})


@node(
    id="T5TokenizerOptions",
    category=_CATEGORY,
    output_tooltips=("The same text encoder, which pads prompts in another way.",),
    experimental=True,
)
def t5_tokenizer_options(clip: Clip, min_padding: _Tokens = 0, min_length: _Tokens = 0) -> Clip:
    """Choose how T5 encoders pad prompts; other text encoders are left alone.

    Args:
        clip: The text encoders.
        min_padding: Least number of padding tokens after a prompt's end.
        min_length: Least number of tokens of a prompt with its padding, in place of what the model was trained for.
    """
    from host.builtin_nodes.families.t5.padding import with_padding

    return with_padding(clip, min_padding=min_padding, min_length=min_length)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for particular uses of text encoders."""
    return [clip_text_encode_controlnet, t5_tokenizer_options]
