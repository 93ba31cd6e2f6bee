"""Vectors of embeddings among the tokens of a prompt, on their way into a text encoder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from host.builtin_nodes.text.chunks import Chunk, EmbeddingVector

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

_PLACEHOLDER = 0


class Splice(NamedTuple):
    """A vector, and which token of which chunk it replaces."""

    row: int
    column: int
    vector: Tensor


def split_vectors(chunks: Sequence[Chunk], width: int, pad: int) -> tuple[list[list[int]], list[Splice]]:
    """The chunks' token ids with placeholders, and the vectors that replace them.

    Vectors of another width than the encoder's are left out, with a warning: what follows moves up, and padding fills
    the end.
    """
    rows, splices, misfits = [], [], {}
    for row, chunk in enumerate(chunks):
        ids: list[int] = []
        for token in chunk.tokens:
            if not isinstance(token, EmbeddingVector):
                ids.append(token)
            elif token.values.shape[-1] == width:
                splices.append(Splice(row, len(ids), token.values))
                ids.append(_PLACEHOLDER)
            else:
                misfits[token.name] = token.values.shape[-1]
        rows.append(ids + [pad] * (len(chunk) - len(ids)))
    for name, found in misfits.items():
        logger.warning("embedding %r is %d wide, the text encoder %d; it is left out", name, found, width)
    return rows, splices
