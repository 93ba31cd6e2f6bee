"""Training state on disk: written whole or not at all, and resumed from its last step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sdk.whole_files import whole_file


class Ema:
    """An exponential moving average of a module's weights."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.shadow[name].lerp_(value, 1 - decay)
            else:
                self.shadow[name].copy_(value)


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint at ``path`` atomically."""
    with whole_file(path) as part:
        torch.save(state, part)


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint at ``path``, or None where training has not begun."""
    return torch.load(path, weights_only=True) if path.exists() else None


def cosine(step: int, steps: int, peak: float, floor: float, warm_up: int) -> float:
    """Learning rate: linear warm-up to ``peak``, then half a cosine down to ``floor``."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return floor + 0.5 * (peak - floor) * (1 + math.cos(math.pi * progress))
