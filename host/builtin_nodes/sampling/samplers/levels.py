"""Half the log signal-to-noise ratio, lambda = log(alpha / sigma), in which the DPM solvers step.

alpha, the share of signal at a level, is 1 for variance-exploding models and 1 - sigma for flow models. Levels are
float32 scalars on purpose: a Brownian path tells levels apart that differ in the sixth digit, and a sample at a level
in the thousands is large enough for the rounding of a factor to show in the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import ForesightedNoise, StepNoise
from host.builtin_nodes.sampling.parametrisation import Parametrisation


@dataclass(frozen=True)
class SignalScale:
    """The map between levels and lambda for one of the two kinds of noising; scalars in and out."""

    is_flow: bool

    def alpha(self, sigma: Tensor) -> Tensor:
        return sigma * self.half_log_snr(sigma).exp() if self.is_flow else torch.ones_like(sigma)

    def half_log_snr(self, sigma: Tensor) -> Tensor:
        return -sigma.logit() if self.is_flow else -sigma.log()

    def sigma(self, half_log_snr: Tensor) -> Tensor:
        return (-half_log_snr).sigmoid() if self.is_flow else (-half_log_snr).exp()

    def between(self, sigma: Tensor, sigma_next: Tensor, share: float) -> Tensor:
        """The level at ``share`` of the way in lambda."""
        start, end = self.half_log_snr(sigma), self.half_log_snr(sigma_next)
        return self.sigma(start + share * (end - start))


def steps_of(sigmas: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(index, level, next level) of each step."""
    return ((step, sigmas[step], sigmas[step + 1]) for step in range(len(sigmas) - 1))


def finite_levels(sigmas: Tensor, parametrisation: Parametrisation) -> Tensor:
    """The levels with a first one at which there is some signal: lambda of a flow's level 1 is -infinity."""
    if parametrisation.is_flow and len(sigmas) > 1 and sigmas[0] >= 1:
        sigmas = sigmas.clone()
        sigmas[0] = parametrisation.percent_to_sigma(1e-4)
    return sigmas


def foresee(noise: StepNoise, ways: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Tell ``noise`` the ways it will be asked for, in order, if it is of a kind that can draw before it is asked."""
    if isinstance(noise, ForesightedNoise):
        noise.foresee([(float(sigma), float(sigma_next)) for sigma, sigma_next in ways if sigma_next > 0])
