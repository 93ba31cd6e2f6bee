"""Token merging: attention asks for fewer places where neighbours look alike (Bolya & Hoffman 2023)."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.model_patches.grid import generator_at, grid_at
from host.builtin_nodes.sampling.patches import Attend, PatchCall
from host.builtin_nodes.sampling.uploads import upload

_STRIDE = 2
"""Of each square of so many tokens a side, one is kept for others to merge into."""


@dataclass(frozen=True)
class MergedTokens:
    """Self-attention at the highest resolution, with a share of its queries merged into the ones most like them.

    Keys and values stay whole: the picture keeps its detail, and only the answers are shared.
    """

    ratio: float

    def __call__(self, attend: Attend, query: Tensor, key: Tensor, value: Tensor, call: PatchCall) -> Tensor:
        rows, columns = grid_at(call.shape, 0)
        if query.shape[1] != rows * columns:
            return attend(query, key, value)
        kept = kept_tokens(rows, columns, generator_at(call))
        matching = match(query, kept, int(query.shape[1] * self.ratio))
        if matching is None:
            return attend(query, key, value)
        return matching.spread(attend(matching.merge(query), key, value))


@dataclass(frozen=True, eq=False)
class Matching:
    """Which tokens merge: indices [batch, number] into all tokens.

    Attributes:
        kept: tokens that others merge into.
        alone: tokens that stay as they are.
        merged: tokens that go.
        into: for each of ``merged``, an index into ``kept``.
    """

    kept: Tensor
    alone: Tensor
    merged: Tensor
    into: Tensor

    def merge(self, tokens: Tensor) -> Tensor:
        """[batch, alone + kept, width]; a kept token is the mean of itself and those merged into it."""
        kept = _taken(tokens, self.kept)
        index = self.into[..., None].expand(-1, -1, tokens.shape[-1])
        kept = kept.scatter_reduce(1, index, _taken(tokens, self.merged), reduce="mean")
        return torch.cat([_taken(tokens, self.alone), kept], dim=1)

    def spread(self, merged: Tensor) -> Tensor:
        """The reverse: every merged token gets what the one it went into has."""
        alone, kept = merged[:, : self.alone.shape[1]], merged[:, self.alone.shape[1] :]
        order = torch.cat([self.alone, self.kept, self.merged], dim=1)
        values = torch.cat([alone, kept, _taken(kept, self.into)], dim=1)
        return torch.zeros_like(values).scatter_(1, order[..., None].expand_as(values), values)


def kept_tokens(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Whether each token [rows * columns] is kept: a random one of every square; odd edges keep none."""
    down, across = rows // _STRIDE, columns // _STRIDE
    chosen = torch.randint(_STRIDE * _STRIDE, (down, across, 1), generator=generator)
    squares = torch.zeros(down, across, _STRIDE * _STRIDE, dtype=torch.bool).scatter_(2, chosen, True)
    grid = torch.zeros(rows, columns, dtype=torch.bool)
    laid_out = squares.reshape(down, across, _STRIDE, _STRIDE).transpose(1, 2)
    grid[: down * _STRIDE, : across * _STRIDE] = laid_out.reshape(down * _STRIDE, across * _STRIDE)
    return grid.flatten()


def match(tokens: Tensor, kept: Tensor, count: int) -> Matching | None:
    """The ``count`` tokens most like one that is kept, each with that one (section 3, bipartite soft matching).

    ``kept`` is in main memory. None where there is nothing to merge.
    """
    count = min(count, int((~kept).sum()))
    if count <= 0 or not bool(kept.any()):
        return None
    kept_at, others_at = (upload(which.nonzero()[:, 0], tokens.device) for which in (kept, ~kept))
    directions = tokens / tokens.norm(dim=-1, keepdim=True)
    likeness, into = (directions[:, others_at] @ directions[:, kept_at].transpose(1, 2)).max(dim=-1)
    order = likeness.argsort(dim=-1, descending=True)
    return Matching(
        kept=kept_at.expand(len(tokens), -1),
        alone=others_at[order[:, count:]],
        merged=others_at[order[:, :count]],
        into=into.gather(1, order[:, :count]),
    )


def _taken(tokens: Tensor, index: Tensor) -> Tensor:
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))
