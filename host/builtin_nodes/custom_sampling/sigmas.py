"""Functions on the levels of a run: cut, turn around, refine."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor

_LOWEST_START = 0.0001

SPACINGS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda share: share,
    "cosine": lambda share: (share * math.pi / 2).sin(),
    "sine": lambda share: 1 - (share * math.pi / 2).cos(),
}
"""How far between two levels a share (0..1) of the added steps is."""


def split_at(sigmas: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The levels up to and from ``step``; both have the level at it. Beyond the end the second is empty."""
    return sigmas[: step + 1], sigmas[step:]


def split_share(sigmas: Tensor, denoise: float) -> tuple[Tensor, Tensor]:
    """The levels before and within the last share ``denoise`` (0..1) of the steps, rounded to whole steps.

    Both have the level between them; a share of 0 leaves the first one empty and the last level for the second.
    """
    steps = max(len(sigmas) - 1, 0)
    kept = round(steps * denoise)
    return sigmas[:-kept] if kept else sigmas[:0], sigmas[-(kept + 1) :]


def flipped(sigmas: Tensor) -> Tensor:
    """The levels in reverse, to add noise step by step; a first level of 0 becomes 0.0001, which can be left."""
    turned = sigmas.flip(0)
    if len(turned) and turned[0] == 0:
        turned[0] = _LOWEST_START
    return turned


def with_first(sigmas: Tensor, sigma: float) -> Tensor:
    """The levels with another first one."""
    changed = sigmas.clone()
    changed[0] = sigma
    return changed


def refined(sigmas: Tensor, steps: int, highest: float, lowest: float, spacing: str) -> Tensor:
    """The levels with each step that starts within ``lowest`` .. ``highest`` divided into ``steps`` steps."""
    shares = SPACINGS[spacing](torch.linspace(0, 1, steps + 1)[1:-1])
    pieces = []
    for here, following in pairwise(sigmas):
        pieces.append(here.reshape(1))
        if lowest <= here <= highest:
            pieces.append(shares.to(sigmas) * (following - here) + here)
    return torch.cat([*pieces, sigmas[-1:]])


def added_noise_level(sigmas: Tensor) -> Tensor:
    """The noise between the first and the last level; with one level, all of it."""
    return (sigmas[0] - sigmas[-1]).abs() if len(sigmas) > 1 else sigmas[0]
