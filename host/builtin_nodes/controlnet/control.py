"""What nodes put into conditioning: a hint with the network that reads it. Importing this module imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdk import ModelHandle

if TYPE_CHECKING:
    from torch import Tensor

CONTROL, TO_BOTH_SIDES = "control", "control_apply_to_uncond"
CONTROL_TEXT, CONTROL_POOLED = "cross_attn_controlnet", "pooled_output_controlnet"
"""Options of a conditioning entry."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Control:
    """One control network at work, and those before it.

    Attributes:
        network: without weights.
        hint: pictures [batch, channel, height, width] in 0..1.
        strength: factor of what it adds.
        start, end: shares of the schedule between which it works.
        vae: for networks that look at latents.
        mask: [batch, 1, height, width], 1 where the hint is to be kept; for networks that take one.
        previous: whose residuals come on top.
    """

    network: ModelHandle
    hint: Tensor
    strength: float
    start: float = 0.0
    end: float = 1.0
    vae: ModelHandle | None = None
    mask: Tensor | None = None
    previous: Control | None = None
