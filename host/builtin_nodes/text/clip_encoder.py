"""Runs CLIP text models on chunks of tokens, with a choice of layer and with embedding vectors as tokens."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.text.chunks import Chunk
from host.builtin_nodes.text.vectors import Splice, split_vectors
from host.builtin_nodes.text.weighting import EncodedChunks

logger = logging.getLogger(__name__)

_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class ClipOutput:
    """What of a CLIP text model's output a family uses.

    Attributes:
        stop: the layer whose states are used, counted from the end: -1 is the last, -2 the one before it.
        final_norm: whether the model's final norm is applied to these states.
        pad: id of the padding token.
        masked_after: id of the token after whose first one nobody looks; None where padding takes part.
    """

    stop: int = -1
    final_norm: bool = True
    pad: int = 49407
    masked_after: int | None = None


@torch.no_grad()
def encode_clip(model: Module, chunks: Sequence[Chunk], output: ClipOutput = ClipOutput()) -> EncodedChunks:
    """States and pooled vectors of chunks of equal length, float32, on the model's device.

    The pooled vector is the last layer's normed state at the first end token, projected where the model has a
    projection. A ``stop`` beyond the first layer means the last one, normed in any case, so that one number can serve
    encoders of different depth.

    Args:
        model: transformers' ``CLIPTextModel`` or ``CLIPTextModelWithProjection``, or a module with the same interface.
        chunks: at least one; vectors of another width than the model's are left out and padding takes their place.
        output: layer, norm and padding token of the family.
    """
    batches = [chunks[i : i + _BATCH] for i in range(0, len(chunks), _BATCH)]
    encoded = [_encode_batch(model, batch, output) for batch in batches]
    states, pooled = zip(*encoded, strict=True)
    return EncodedChunks(torch.cat(states), torch.cat(pooled))


def _encode_batch(model: Any, chunks: Sequence[Chunk], output: ClipOutput) -> tuple[Tensor, Tensor]:
    table = model.get_input_embeddings()
    ids, vectors = split_vectors(chunks, table.weight.shape[1], output.pad)
    with _spliced(table, vectors):
        given = {"input_ids": torch.tensor(ids, device=table.weight.device)}
        if output.masked_after is not None:
            given["attention_mask"] = _up_to(output.masked_after, given["input_ids"])
        result = model(**given, output_hidden_states=True)
    projected = getattr(result, "text_embeds", None)
    pooled = result.pooler_output if projected is None else projected
    return _chosen_states(model, result, output).float(), pooled.float()


def _up_to(token: int, ids: Tensor) -> Tensor:
    """1 for the ids up to the first of that token, 0 for those after it."""
    ends = (ids == token).long()
    return (ends.cumsum(dim=1) - ends == 0).long()


def _chosen_states(model: Any, result: Any, output: ClipOutput) -> Tensor:
    layers: tuple[Tensor, ...] = result.hidden_states[1:]
    last: Tensor = result.last_hidden_state
    stop = output.stop
    if not -len(layers) <= stop <= -1:
        logger.warning("clip stop %d: the text encoder has %d layers, the last one is used", stop, len(layers))
        return last
    if not output.final_norm:
        return layers[stop]
    text_model = getattr(model, "text_model", model)
    normed: Tensor = last if stop == -1 else text_model.final_layer_norm(layers[stop])
    return normed


@contextmanager
def _spliced(table: Module, splices: Sequence[Splice]) -> Iterator[None]:
    """While active, the embedding table answers this thread with the vectors in the placeholders' stead."""
    if not splices:
        yield
        return
    thread = threading.get_ident()
    rows, columns = [splice.row for splice in splices], [splice.column for splice in splices]

    def replace(_module: Module, _arguments: Any, embedded: Tensor) -> Tensor:
        if threading.get_ident() == thread:
            embedded[rows, columns] = torch.stack([splice.vector for splice in splices]).to(embedded)
        return embedded

    hook = table.register_forward_hook(replace)
    try:
        yield
    finally:
        hook.remove()
