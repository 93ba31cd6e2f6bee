"""Noise masks that change on the way."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.sampling.parametrisation import Parametrisation


@dataclass(frozen=True)
class DifferentialDiffusion:
    """Each cell is let go when the share of the run that is left falls to its mask value (Levin & Fried 2023).

    Below ``strength`` 1 the soft mask keeps its part; at 0 it counts as 1.
    """

    strength: float = 1.0

    def __call__(self, mask: Tensor, sigma: float, *, sigmas: Tensor, parametrisation: Parametrisation) -> Tensor:
        last = max(float(sigmas[-1]), parametrisation.sigma_min)
        levels = torch.tensor([float(sigmas[0]), last, sigma])
        start, end, now = parametrisation.timestep(levels)
        free = (mask >= (now - end) / (start - end)).to(mask)
        if 0 < self.strength < 1:
            return self.strength * free + (1 - self.strength) * mask
        return free
