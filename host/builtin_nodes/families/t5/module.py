"""Builds transformers' T5 encoder for a configuration, and runs it."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import Module
from transformers import T5Config as TransformersConfig
from transformers import T5EncoderModel

from host.builtin_nodes.families.t5.config import T5Config
from host.builtin_nodes.text.chunks import Chunk
from host.builtin_nodes.text.t5_tokens import T5_END, T5_PAD
from host.builtin_nodes.text.vectors import split_vectors
from host.builtin_nodes.text.weighting import EncodedChunks

logger = logging.getLogger(__name__)


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
def encode_t5(model: Any, chunks: Sequence[Chunk], *, masked: bool, stop: int = -1) -> EncodedChunks:
    """States of chunks of equal length, float32, on the model's device; there is no pooled vector.

    Args:
        model: the encoder.
        chunks: at least one; vectors of another width than the model's are left out and padding takes their place.
        masked: keep padding from taking part. Its own states stay in the result.
        stop: the layer whose states are used, through the final norm: -1 is the last, -2 the one before it. Beyond the
            first layer it means the last one, so that one number can serve encoders of different depth.
    """
    table = model.get_input_embeddings().weight
    rows, splices = split_vectors(chunks, table.shape[1], T5_PAD)
    ids = torch.tensor(rows, device=table.device)
    embedded = torch.nn.functional.embedding(ids, table)
    for splice in splices:
        embedded[splice.row, splice.column] = splice.vector.to(embedded)
    mask = _mask(ids) if masked else torch.ones_like(ids)
    output = model(inputs_embeds=embedded, attention_mask=mask, output_hidden_states=stop != -1)
    return EncodedChunks(_chosen_states(model, output, stop).float(), None)


def _chosen_states(model: Any, output: Any, stop: int) -> Tensor:
    last: Tensor = output.last_hidden_state
    if stop == -1:
        return last
    layers = output.hidden_states[1:]  # the last of which is normed already
    if not -len(layers) <= stop <= -2:
        logger.warning("clip stop %d: the text encoder has %d layers, the last one is used", stop, len(layers))
        return last
    normed: Tensor = model.encoder.final_layer_norm(layers[stop])
    return normed


def _mask(ids: Tensor) -> Tensor:
    """1 up to and with the end token."""
    ends = (ids == T5_END).long()
    return ((ends.cumsum(dim=1) - ends) == 0).long()
