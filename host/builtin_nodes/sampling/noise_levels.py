"""Tables of noise levels, and the map between a level (sigma) and what the network is told (timestep).

All tensors are float32. ``sigmas`` rises; ``percent`` is the share of a run that is done, 0..1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import torch
from torch import Tensor

TimeT = TypeVar("TimeT", float, Tensor)

BEFORE_EVERYTHING = 999999999.9
"""Level that stands for the very start of a run: above every real one."""


class NoiseLevels(Protocol):
    """The levels a model was trained on."""

    @property
    def sigmas(self) -> Tensor: ...

    def timestep(self, sigma: Tensor) -> Tensor: ...

    def sigma(self, timestep: Tensor) -> Tensor: ...

    def percent_to_sigma(self, percent: float) -> float: ...


def scaled_linear_sigmas(count: int = 1000, start: float = 0.00085, end: float = 0.012) -> Tensor:
    """Levels of latent diffusion: betas linear in their square roots (Rombach et al. 2022), as sigma.

    float64, [count].
    """
    betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64) ** 2
    return levels_from_betas(betas)


def levels_from_betas(betas: Tensor) -> Tensor:
    """sigma = sqrt((1 - alpha_bar) / alpha_bar) for each step, float64."""
    alpha_bar = torch.cumprod(1.0 - betas.double(), dim=0)
    return ((1.0 - alpha_bar) / alpha_bar).sqrt()


def zero_terminal_snr(sigmas: Tensor) -> Tensor:
    """The table rescaled so that its last level carries (almost) no signal (Lin et al. 2023, algorithm 1)."""
    root = (1.0 / (sigmas.double() ** 2 + 1.0)).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    alpha_bar = ((root - last) * (first / (first - last))) ** 2
    # An exact zero would be an infinite sigma.
    alpha_bar[-1] = 4.8973451890853435e-08
    return ((1.0 - alpha_bar) / alpha_bar).sqrt()


@dataclass(frozen=True, eq=False)
class DiscreteLevels:
    """A table with one level a training step; a level between two entries counts as the nearest in log-sigma.

    ``table`` may be float64, which makes its logarithms more exact. ``stride`` > 1 says that entry i is training
    step ``i * stride + stride - 1`` (distilled models).
    """

    table: Tensor
    stride: int = 1

    @cached_property
    def sigmas(self) -> Tensor:
        return self.table.float()

    @cached_property
    def _log_sigmas(self) -> Tensor:
        return self.table.log().float()

    def timestep(self, sigma: Tensor) -> Tensor:
        """Index of the training step, int64, in the shape of ``sigma``."""
        log_sigma = sigma.float().log().cpu()
        distances = log_sigma.reshape(-1, 1) - self._log_sigmas
        index = distances.abs().argmin(dim=1).reshape(sigma.shape)
        return (index * self.stride + self.stride - 1).to(sigma.device)

    def sigma(self, timestep: Tensor) -> Tensor:
        """Level at a possibly fractional training step, interpolated in log-sigma."""
        position = (timestep.float().cpu() - (self.stride - 1)) / self.stride
        position = position.clamp(min=0, max=len(self.sigmas) - 1)
        low, high = position.floor().long(), position.ceil().long()
        weight = position.frac()
        return ((1 - weight) * self._log_sigmas[low] + weight * self._log_sigmas[high]).exp().to(timestep.device)

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return BEFORE_EVERYTHING
        if percent >= 1:
            return 0.0
        return self.sigma(torch.tensor((1.0 - percent) * (len(self.sigmas) * self.stride - 1))).item()


@dataclass(frozen=True)
class FlowLevels:
    """Levels 0..1 of a flow model, moved towards noise by ``shift`` (Esser et al. 2024, eq. 23)."""

    shift: float = 1.0
    multiplier: float = 1000.0
    count: int = 1000

    @cached_property
    def sigmas(self) -> Tensor:
        return self.sigma(torch.arange(1, self.count + 1) / self.count * self.multiplier)

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma * self.multiplier

    def sigma(self, timestep: Tensor) -> Tensor:
        return self._shifted(timestep / self.multiplier)

    def percent_to_sigma(self, percent: float) -> float:
        return 1.0 if percent <= 0 else 0.0 if percent >= 1 else self._shifted(1.0 - percent)

    def _shifted(self, time: TimeT) -> TimeT:
        return self.shift * time / (1 + (self.shift - 1) * time)


@dataclass(frozen=True)
class ExponentialFlowLevels:
    """Levels 0..1 of a flow model, moved towards noise by e^mu (Flux; Esser et al. 2024, eq. 23 with alpha = e^mu)."""

    mu: float = 1.15
    count: int = 10_000

    @cached_property
    def sigmas(self) -> Tensor:
        return self.sigma(torch.arange(1, self.count + 1) / self.count)

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma

    def sigma(self, timestep: Tensor) -> Tensor:
        return self._shifted(timestep)

    def percent_to_sigma(self, percent: float) -> float:
        return 1.0 if percent <= 0 else 0.0 if percent >= 1 else self._shifted(1.0 - percent)

    def _shifted(self, time: TimeT) -> TimeT:
        return math.exp(self.mu) / (math.exp(self.mu) + (1 / time - 1))


@dataclass(frozen=True)
class ContinuousLevels:
    """Any level between two bounds, spread evenly in log-sigma; the network is told log(sigma) / 4
    (Karras et al. 2022, table 1)."""

    lowest: float
    highest: float
    count: int = 1000

    @cached_property
    def sigmas(self) -> Tensor:
        return torch.linspace(math.log(self.lowest), math.log(self.highest), self.count).exp()

    def timestep(self, sigma: Tensor) -> Tensor:
        return 0.25 * sigma.log()

    def sigma(self, timestep: Tensor) -> Tensor:
        return (timestep / 0.25).exp()

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return BEFORE_EVERYTHING
        if percent >= 1:
            return 0.0
        low, high = (math.log(float(self.sigmas[i])) for i in (0, -1))
        return math.exp((high - low) * (1.0 - percent) + low)


@dataclass(frozen=True)
class AngularLevels(ContinuousLevels):
    """Continuous levels of which the network is told the angle 2/pi * atan(sigma), 0..1."""

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma.atan() / math.pi * 2

    def sigma(self, timestep: Tensor) -> Tensor:
        return (timestep * math.pi / 2).tan()


@dataclass(frozen=True)
class CosmosLevels(ContinuousLevels):
    """Continuous levels of which the network is told the flow time sigma / (1 + sigma), 0..1."""

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma / (sigma + 1)

    def sigma(self, timestep: Tensor) -> Tensor:
        highest = self.sigmas[-1].to(timestep)
        return torch.where(timestep >= highest / (highest + 1), highest, timestep / (1 - timestep))


@dataclass(frozen=True)
class CosineLevels:
    """Levels of a cosine schedule (Nichol & Dhariwal 2021, eq. 17), log-SNR moved by ``shift`` (Stable Cascade)."""

    shift: float = 2.0
    count: int = 10_000
    offset: float = 0.008

    @cached_property
    def sigmas(self) -> Tensor:
        return self.sigma(torch.arange(1, self.count + 1) / self.count)

    def timestep(self, sigma: Tensor) -> Tensor:
        alpha_bar = (1 / (sigma * sigma + 1)).clamp(0, 1)
        angle = (alpha_bar * self._alpha_bar(torch.tensor(0.0))).sqrt().acos()
        return angle / (math.pi * 0.5) * (1 + self.offset) - self.offset

    def sigma(self, timestep: Tensor) -> Tensor:
        alpha_bar = self._alpha_bar(timestep) / self._alpha_bar(torch.tensor(0.0))
        if self.shift != 1.0:
            log_snr = (alpha_bar / (1 - alpha_bar)).log() + 2 * math.log(1 / self.shift)
            alpha_bar = log_snr.sigmoid()
        alpha_bar = alpha_bar.clamp(0.0001, 0.9999)
        return ((1 - alpha_bar) / alpha_bar).sqrt()

    def _alpha_bar(self, timestep: Tensor) -> Tensor:
        # float32, in this order: near 1 the rounding of alpha_bar decides the lowest levels.
        offset = torch.tensor(self.offset)
        return ((timestep + offset) / (1 + offset) * math.pi * 0.5).cos() ** 2

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0:
            return BEFORE_EVERYTHING
        return 0.0 if percent >= 1 else self.sigma(torch.tensor(1.0 - percent)).item()
