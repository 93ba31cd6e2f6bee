"""Fits latents to the patches that a transformer takes for one token."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad


def wrapped(x: Tensor, patch: int) -> Tensor:
    """``x`` [batch, channel, height, width] with sides that are multiples of ``patch``; what is added wraps around."""
    below, right = -x.shape[-2] % patch, -x.shape[-1] % patch
    return pad(x, (0, right, 0, below), mode="circular") if below or right else x
