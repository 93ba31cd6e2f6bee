"""Encodes a prompt of its own for each of several text encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdk import Clip, NodeContext, NodeError

if TYPE_CHECKING:
    from host.builtin_nodes.text.weighting import EncodedPrompt


def encode_each(clip: Clip, prompts: Mapping[str, str], node: str, context: NodeContext) -> EncodedPrompt:
    """The encoding of prompts, by the encoders' keys; ``node`` is who asks, for messages.

    Raises:
        NodeError: there is only one encoder, or none that a prompt is for.
        TextError: a prompt can't be read.
    """
    from host.builtin_nodes.text.embedding_files import EmbeddingFiles

    if not hasattr(clip.adapter, "tokenize_each"):
        raise NodeError(
            f"{node} needs the text encoders of its model, but got a single one. Use CLIPTextEncode with it, "
            "or load the encoders that belong to the model."
        )
    tokens = clip.adapter.tokenize_each(prompts, EmbeddingFiles(context.folders))
    with context.models.borrow(clip) as module:
        encoded: EncodedPrompt = clip.adapter.encode(module, tokens, clip.options)
    return encoded
