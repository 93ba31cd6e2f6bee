"""Adds a product of two small matrices to a large one, as LoRA changes a weight."""

from __future__ import annotations

from collections.abc import Callable

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

AddLowRank = Callable[[Tensor, Tensor, Tensor, Tensor, float], None]
"""``add(out, weight, up, down, factor)`` writes ``weight + factor * up @ down`` to ``out``.

All are float32 matrices on one device: ``weight`` and ``out`` [out, in], ``up`` [out, r], ``down`` [r, in]. ``out`` is
contiguous, and either apart from ``weight`` or the same memory.
"""

_BLOCK_BYTES = 1 << 23


def add_low_rank(out: Tensor, weight: Tensor, up: Tensor, down: Tensor, factor: float) -> None:
    """See ``AddLowRank``: product and sum with no memory of their own, in one pass over the weight."""
    if weight.data_ptr() == out.data_ptr():
        out.addmm_(up, down, alpha=factor)
        return
    together = _rows_together(out)
    for start in range(0, len(out), together):
        rows = slice(start, start + together)
        # On CPUs an ``addmm`` with two matrices first copies one into the other, which takes longer than this sum.
        torch.add(weight[rows], torch.mm(up[rows], down, out=out[rows]), alpha=factor, out=out[rows])


def _rows_together(out: Tensor) -> int:
    """Rows of a matrix so few that, on the CPU, a product is still in caches when it is added."""
    rows = max(1, out.shape[0])
    fits = out.device.type != "cpu" or out.nbytes <= _BLOCK_BYTES
    return rows if fits else max(1, _BLOCK_BYTES * rows // out.nbytes)
