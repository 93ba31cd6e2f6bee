"""DPM-Solver-2: midpoint steps in log-sigma (Lu et al. 2022, algorithm 1; Karras et al. 2022)."""

from __future__ import annotations

import math

from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.churn import Churn
from host.builtin_nodes.sampling.samplers.levels import steps_of


def sample_dpm_2(
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
    """``x`` after second-order steps whose slope is taken at the geometric middle of two levels."""
    churn = Churn(s_churn, s_tmin, s_tmax, s_noise, len(sigmas) - 1)
    for step, sigma, sigma_next in steps_of(sigmas):
        x, sigma_hat = churn(x, sigma, noise)
        denoised = denoise(x, sigma_hat)
        callback(step, x, float(sigma), denoised)
        slope, at = (x - denoised) / sigma_hat, x
        if sigma_next > 0:
            middle = sigma_hat.log().lerp(sigma_next.log(), 0.5).exp()
            at = x + slope * (middle - sigma_hat)
            slope = (at - denoise(at, middle)) / middle
        x = x + slope * (sigma_next - sigma_hat)
    return x
