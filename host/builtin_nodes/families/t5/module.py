"""Builds transformers' T5 encoder for a configuration, and runs it."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import Module
from transformers import T5Config as TransformersConfig
from transformers import T5EncoderModel

from host.builtin_nodes.families.t5.config import T5Config
from host.builtin_nodes.text.chunks import Chunk, EmbeddingVector
from host.builtin_nodes.text.t5_tokens import T5_END, T5_PAD
from host.builtin_nodes.text.weighting import EncodedChunks


def build_t5(config: T5Config) -> Module:
    """The module in evaluation mode; under the meta device its parameters are without storage."""
    model = T5EncoderModel(
        TransformersConfig(
            vocab_size=config.vocabulary,
            d_model=config.width,
            d_kv=config.head,
            d_ff=config.inner,
            num_layers=config.layers,
            num_heads=config.heads,
            relative_attention_num_buckets=config.buckets,
            feed_forward_proj="gated-gelu",
            pad_token_id=T5_PAD,
            eos_token_id=T5_END,
        )
    )
    return cast(Module, model.eval().requires_grad_(False))


@torch.no_grad()
def encode_t5(model: Any, chunks: Sequence[Chunk], *, masked: bool) -> EncodedChunks:
    """States of chunks of equal length, float32, on the model's device; there is no pooled vector.

    Args:
        model: the encoder.
        chunks: at least one; vectors of another width than the model's count as padding.
        masked: keep padding from taking part. Its own states stay in the result.
    """
    table = model.get_input_embeddings().weight
    ids = torch.tensor([[_id(token) for token in chunk.tokens] for chunk in chunks], device=table.device)
    embedded = torch.nn.functional.embedding(ids, table)
    for row, chunk in enumerate(chunks):
        for column, token in enumerate(chunk.tokens):
            if isinstance(token, EmbeddingVector) and token.values.shape[-1] == table.shape[1]:
                embedded[row, column] = token.values.to(embedded)
    mask = _mask(ids) if masked else torch.ones_like(ids)
    output = model(inputs_embeds=embedded, attention_mask=mask)
    return EncodedChunks(output.last_hidden_state.float(), None)


def _id(token: int | EmbeddingVector) -> int:
    return T5_PAD if isinstance(token, EmbeddingVector) else token


def _mask(ids: Tensor) -> Tensor:
    """1 up to and with the end token."""
    ends = (ids == T5_END).long()
    return ((ends.cumsum(dim=1) - ends) == 0).long()
