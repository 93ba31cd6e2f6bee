"""LongCLIP's table of positions (Zhang et al. 2024): the first ones are CLIP's own, the others were trained anew."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn.functional import embedding

from host.builtin_nodes.families.clip_text.names import KEPT_POSITIONS


class LongPositions(Module):
    """Takes the place of an ``Embedding`` of ``positions`` rows of ``width`` channels."""

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.first = Parameter(torch.empty(KEPT_POSITIONS, width))
        self.others = Parameter(torch.empty(positions - KEPT_POSITIONS, width))

    @property
    def weight(self) -> Tensor:
        """The whole table [positions, width]."""
        return torch.cat([self.first, self.others])

    def forward(self, positions: Tensor) -> Tensor:
        return embedding(positions, self.weight)
