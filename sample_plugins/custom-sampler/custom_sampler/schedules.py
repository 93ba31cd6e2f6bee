"""Noise schedules: falling levels, float32 [steps + 1], the last of them zero."""

# ruff: noqa: TID253 - imported when a schedule is first used
from __future__ import annotations

import math

import torch
from torch import Tensor


def raised_cosine(sigma_min: float, sigma_max: float, steps: int) -> Tensor:
    """Levels whose logarithm falls along half a cosine: small steps at both ends, large ones between.

    Raises:
        ValueError: there are no steps.
    """
    if steps < 1:
        raise ValueError(f"a schedule needs at least one step, not {steps}")
    share = torch.linspace(0, 1, steps, dtype=torch.float64)
    eased = (1 - torch.cos(math.pi * share)) / 2
    logs = math.log(sigma_max) + eased * (math.log(sigma_min) - math.log(sigma_max))
    return torch.cat([logs.exp(), torch.zeros(1, dtype=torch.float64)]).float()
