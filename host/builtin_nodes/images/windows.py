"""The largest value in a sliding window."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import torch
from torch import Tensor


def running_maximum(samples: Tensor, before: int, after: int, dimension: int) -> Tensor:
    """For each cell the largest of itself, ``before`` cells in front of it and ``after`` behind it, along a dimension.

    Windows are cut at the ends. Each pass doubles the width that is seen, so that the cost is the logarithm of it.
    """
    length = samples.shape[dimension]
    before, after = min(before, length), min(after, length)  # more cells than that are not there to be seen
    found = _padded(samples, before, after, dimension)
    width, wanted = 1, before + 1 + after
    while width < wanted:
        step = min(width, wanted - width)
        rest = found.shape[dimension] - step
        found = torch.maximum(found.narrow(dimension, 0, rest), found.narrow(dimension, step, rest))
        width += step
    return found


def _padded(samples: Tensor, before: int, after: int, dimension: int) -> Tensor:
    """With nothing, which is below any value, at both ends."""
    shape = list(samples.shape)
    shape[dimension] += before + after
    padded = samples.new_full(shape, float("-inf"))
    padded.narrow(dimension, before, samples.shape[dimension]).copy_(samples)
    return padded
