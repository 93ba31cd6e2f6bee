"""Heun++: slopes of up to three levels, weighted by these levels."""

from __future__ import annotations

import math

from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.churn import Churn
from host.builtin_nodes.sampling.samplers.levels import steps_of


def sample_heunpp2(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` after steps along a mean of the slopes here and at up to two levels ahead, fewer towards the end.

    A slope ahead weighs as much as its level does in that many times the first level (Carzit, 2024).
    """
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise, len(sigmas) - 1)
    for step, sigma, sigma_next in steps_of(sigmas):
        x, sigma_hat = churn(x, sigma, noise)
        denoised = denoise(x, sigma_hat)
        callback(step, x, float(sigma), denoised)
        slopes, at, level = [(x - denoised) / sigma_hat], x, sigma_hat
        ahead = [level for level in sigmas[step + 1 : step + 3] if level != sigmas[-1]]
        for level_ahead in ahead:
            at = at + slopes[-1] * (level_ahead - level)
            level = level_ahead
            slopes.append((at - denoise(at, level)) / level)
        weights = [level / (len(slopes) * sigmas[0]) for level in ahead]
        slope = slopes[0] * (1 - sum(weights))
        for weight, slope_ahead in zip(weights, slopes[1:], strict=True):
            slope = slope + weight * slope_ahead
        x = x + slope * (sigma_next - sigma_hat)
    return x
