"""Half the log signal-to-noise ratio, lambda = log(alpha / sigma), in which the DPM solvers step.

alpha, the share of signal at a level, is 1 for variance-exploding models and 1 - sigma for flow models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from host.builtin_nodes.sampling.parametrisation import Parametrisation


@dataclass(frozen=True)
class SignalScale:
    """The map between levels and lambda for one of the two kinds of noising."""

    is_flow: bool

    def alpha(self, sigma: float) -> float:
        return 1.0 - sigma if self.is_flow else 1.0

    def half_log_snr(self, sigma: float) -> float:
        return math.log(self.alpha(sigma) / sigma)

    def sigma(self, half_log_snr: float) -> float:
        return 1.0 / (1.0 + math.exp(half_log_snr)) if self.is_flow else math.exp(-half_log_snr)


def finite_levels(sigmas: list[float], parametrisation: Parametrisation) -> list[float]:
    """The levels with a first one at which there is some signal: lambda of a flow's level 1 is -infinity."""
    if parametrisation.is_flow and len(sigmas) > 1 and sigmas[0] >= 1:
        return [parametrisation.percent_to_sigma(1e-4), *sigmas[1:]]
    return sigmas
