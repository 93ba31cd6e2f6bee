"""SEEDS (Gonzalez et al. 2023): exponential SDE solvers of two and three stages."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.levels import SignalScale, finite_levels, steps_of


def sample_seeds_2(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Tensor:
    """``x`` after SEEDS-2 steps with an intermediate level at share ``r`` of the way in lambda."""
    scale = SignalScale(denoise.parametrisation.is_flow)
    for step, sigma, sigma_next in steps_of(finite_levels(sigmas, denoise.parametrisation)):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        if sigma_next == 0:
            x = denoised
            continue
        walk = _Walk(scale, noise, sigma, sigma_next, (r, 1.0), eta, s_noise)
        ahead = denoise(walk.to(0, x, denoised), walk.levels[0])
        weight = 1 / (2 * r)
        x = walk.to(1, x, (1 - weight) * denoised + weight * ahead)
    return x


def sample_seeds_3(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r_1: float = 1 / 3,
    r_2: float = 2 / 3,
) -> Tensor:
    """``x`` after SEEDS-3 steps with intermediate levels at shares ``r_1`` and ``r_2`` of the way in lambda."""
    scale = SignalScale(denoise.parametrisation.is_flow)
    for step, sigma, sigma_next in steps_of(finite_levels(sigmas, denoise.parametrisation)):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        if sigma_next == 0:
            x = denoised
            continue
        walk = _Walk(scale, noise, sigma, sigma_next, (r_1, r_2, 1.0), eta, s_noise)
        second = denoise(walk.to(0, x, denoised), walk.levels[0])
        third = denoise(walk.to(1, x, denoised, (second - denoised) / r_1), walk.levels[1])
        x = walk.to(2, x, denoised, (third - denoised) / r_2)
    return x


class _Walk:
    """The stages of one step: the way from its start to each stage, noised by the shared increments before it."""

    def __init__(
        self,
        scale: SignalScale,
        noise: StepNoise,
        sigma: Tensor,
        sigma_next: Tensor,
        shares: tuple[float, ...],
        eta: float,
        s_noise: float,
    ) -> None:
        start, end = scale.half_log_snr(sigma), scale.half_log_snr(sigma_next)
        self._scale, self._sigma, self._h, self._shares = scale, sigma, end - start, shares
        self._eta, self._s_noise = eta, s_noise
        self.levels = [*(scale.sigma(start + share * self._h) for share in shares[:-1]), sigma_next]
        ends = [float(level) for level in (sigma, *self.levels)]
        self._increments = [noise(*pair) for pair in pairwise(ends)] if eta > 0 else []

    def to(self, stage: int, x: Tensor, denoised: Tensor, slope: Tensor | None = None) -> Tensor:
        """The sample at a stage, the estimate held at ``denoised`` or growing by ``slope`` over the whole step."""
        level, share = self.levels[stage], self._shares[stage]
        alpha, way = self._scale.alpha(level), share * self._h * (self._eta + 1)
        gain = torch.expm1(-way)
        result = level / self._sigma * (-share * self._h * self._eta).exp() * x - alpha * gain * denoised
        if slope is not None:
            result = result + share * alpha * (gain / way + 1) * slope
        for amount, increment in zip(self._amounts(stage), self._increments, strict=False):
            result = result + level * amount * self._s_noise * increment
        return result

    def _amounts(self, stage: int) -> list[Tensor]:
        """How much of each increment so far is left at a stage; the earliest has decayed most."""
        decay = [torch.expm1(-2 * share * self._h * self._eta) for share in (0.0, *self._shares)]
        return [(decay[i] - decay[i + 1]).sqrt() for i in reversed(range(stage + 1))]
