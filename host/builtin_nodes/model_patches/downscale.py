"""Deep shrink: a smaller picture inside the network early in the run, for images larger than it was trained on."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from host.builtin_nodes.latents.scaling import scale_latent
from host.builtin_nodes.sampling.patches import PatchCall


@dataclass(frozen=True)
class ShrinkHidden:
    """After one input block, hidden states shrink by ``factor`` while the level is in ``lowest`` .. ``highest``."""

    block: int
    factor: float
    method: str
    highest: float
    lowest: float

    def __call__(self, hidden: Tensor, call: PatchCall) -> Tensor:
        if call.place != ("input", self.block) or not self.lowest <= call.sigma <= self.highest:
            return hidden
        height, width = (round(side * (1.0 / self.factor)) for side in hidden.shape[-2:])
        return scale_latent(hidden, max(width, 1), max(height, 1), self.method)


@dataclass(frozen=True)
class MatchSkip:
    """Before they are joined, hidden states are brought back to the size of the skip connection."""

    method: str

    def __call__(self, hidden: Tensor, skip: Tensor, call: PatchCall) -> tuple[Tensor, Tensor]:
        if hidden.shape[-2:] == skip.shape[-2:]:
            return hidden, skip
        return scale_latent(hidden, skip.shape[-1], skip.shape[-2], self.method), skip
