"""Masks that fade out."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

import torch
from torch import Tensor


def inner_ramp(height: int, width: int, feathering: int, *, left: bool, top: bool, right: bool, bottom: bool) -> Tensor:
    """A mask [height, width]: 1 at the named edges, falling quadratically to 0 ``feathering`` pixels inside.

    All 0 where the picture is too small for two such ramps.
    """
    if feathering <= 0 or feathering * 2 >= min(height, width):
        return torch.zeros(height, width)
    rows = _distance(height, near=top, far=bottom)
    columns = _distance(width, near=left, far=right)
    nearest = torch.minimum(rows[:, None], columns[None, :])
    return ((feathering - nearest) / feathering).clamp(min=0) ** 2


def _distance(length: int, *, near: bool, far: bool) -> Tensor:
    """To the nearer of the wanted ends, for each place along a side; its length where neither is wanted."""
    place = torch.arange(length, dtype=torch.float32)
    whole = torch.full_like(place, length)
    return torch.minimum(place if near else whole, length - place if far else whole)
