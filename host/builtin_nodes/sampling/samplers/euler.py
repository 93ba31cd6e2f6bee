"""Euler and Heun steps along dx/dsigma = (x - D(x, sigma)) / sigma (Karras et al. 2022)."""

from __future__ import annotations

import math

from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.churn import Churn
from host.builtin_nodes.sampling.samplers.levels import steps_of


def sample_euler(
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
    """``x`` after first-order steps (Karras et al. 2022, algorithm 2 without its correction)."""
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise, len(sigmas) - 1)
    for step, sigma, sigma_next in steps_of(sigmas):
        x, sigma_hat = churn(x, sigma, noise)
        denoised = denoise(x, sigma_hat)
        callback(step, x, float(sigma), denoised)
        x = x + (x - denoised) / sigma_hat * (sigma_next - sigma_hat)
    return x


def sample_heun(
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
    """``x`` after second-order steps (Karras et al. 2022, algorithm 2); two evaluations a step, one in the last."""
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise, len(sigmas) - 1)
    for step, sigma, sigma_next in steps_of(sigmas):
        x, sigma_hat = churn(x, sigma, noise)
        denoised = denoise(x, sigma_hat)
        callback(step, x, float(sigma), denoised)
        slope = (x - denoised) / sigma_hat
        ahead = x + slope * (sigma_next - sigma_hat)
        if sigma_next > 0:
            slope = (slope + (ahead - denoise(ahead, sigma_next)) / sigma_next) / 2
            ahead = x + slope * (sigma_next - sigma_hat)
        x = ahead
    return x
