"""Encodes a prompt of its own for each of several text encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdk import Clip, NodeContext, NodeError

if TYPE_CHECKING:
    from host.builtin_nodes.text.weighting import EncodedPrompt


def encode_each(clip: Clip, prompts: Mapping[str, str | None], node: str, context: NodeContext) -> EncodedPrompt:
    """The encoding of prompts, by the encoders' keys; ``node`` is who asks, for messages.

    None is no prompt at all, which is not the same as an empty one: CLIP encoders are then left out, and T5 reads its
    end token alone.

    Raises:
        NodeError: there is only one encoder, or none that a prompt is for.
        TextError: a prompt can't be read.
    """
    from host.builtin_nodes.text.bundled_embeddings import embeddings_for

    if not hasattr(clip.adapter, "tokenize_each"):
        raise NodeError(
            f"{node} needs the text encoders of its model, but got a single one. Use CLIPTextEncode with it, "
            "or load the encoders that belong to the model."
        )
    said = {key: prompt for key, prompt in prompts.items() if prompt is not None}
    tokens = clip.adapter.tokenize_each(said, embeddings_for(clip, context.folders))
    for key in prompts.keys() - said.keys():
        if hasattr(encoder := clip.adapter.encoders.get(key), "nothing"):
            tokens = {**tokens, key: encoder.nothing()}
    with context.models.borrow(clip) as module:
        encoded: EncodedPrompt = clip.adapter.encode(module, tokens, clip.options)
    return encoded
