"""Noise added back before a step (Karras et al. 2022, algorithm 2, lines 4 to 6)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from host.builtin_nodes.sampling.interfaces import StepNoise


@dataclass(frozen=True)
class Churn:
    """How much noise to add back: ``s_churn`` over all steps, for levels within ``s_tmin`` .. ``s_tmax``."""

    s_churn: float
    s_tmin: float
    s_tmax: float
    s_noise: float
    steps: int

    def __call__(self, x: Tensor, sigma: Tensor, noise: StepNoise) -> tuple[Tensor, Tensor]:
        """``x`` raised to a somewhat higher level, and that level."""
        within = self.s_tmin <= sigma <= self.s_tmax
        gamma = min(self.s_churn / self.steps, 2**0.5 - 1) if within else 0.0
        if gamma <= 0:
            return x, sigma
        raised = sigma * (gamma + 1)
        return x + noise(float(sigma), float(raised)) * (self.s_noise * (raised**2 - sigma**2) ** 0.5), raised
