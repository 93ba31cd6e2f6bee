"""The last modulation of a transformer, in the original's order of its two halves."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from diffusers.models.normalization import AdaLayerNormContinuous
from torch import Tensor


class ShiftFirstNorm(AdaLayerNormContinuous):
    """A layer norm whose linear layer gives [shift, scale], where diffusers' gives [scale, shift]."""

    def forward(self, x: Tensor, conditioning_embedding: Tensor) -> Tensor:
        """``norm(x) * (1 + scale) + shift`` for x [batch, tokens, width] and an embedding [batch, width]."""
        shift, scale = self.linear(self.silu(conditioning_embedding).to(x.dtype)).chunk(2, dim=1)
        normed: Tensor = self.norm(x) * (1 + scale)[:, None] + shift[:, None]
        return normed


def shift_first(norm: AdaLayerNormContinuous) -> AdaLayerNormContinuous:
    """The same norm, with the same parameters, taking its halves in the original's order."""
    norm.__class__ = ShiftFirstNorm
    return norm
