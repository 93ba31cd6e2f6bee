"""Solvers of extended reverse-time SDEs (Cui et al. 2023, "Elucidating the Solution Space of Extended Reverse-Time
SDE for Diffusion Models")."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.levels import SignalScale, finite_levels, steps_of

NoiseScaler = Callable[[Tensor], Tensor]

_POINTS = 200


def er_noise_scale(level: Tensor) -> Tensor:
    """The paper's recommended phi (eq. 19, ER SDE 5): between an ODE and the reverse-time SDE."""
    return level * ((level**0.3).exp() + 10.0)


def sample_er_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    s_noise: float = 1.0,
    noise_scale: NoiseScaler = er_noise_scale,
    max_stage: int = 3,
) -> Tensor:
    """``x`` after steps of ER-SDE-Solver (Cui et al. 2023, algorithms 1 to 3) of order ``max_stage`` (1 to 3).

    ``noise_scale`` is the paper's phi: ``x ** (eta + 1)`` gives the reverse-time SDE, ``x`` with no noise the ODE.
    """
    scale = SignalScale(denoise.parametrisation.is_flow)
    sigmas = finite_levels(sigmas, denoise.parametrisation)
    levels = torch.stack([(-scale.half_log_snr(sigma)).exp() for sigma in sigmas])
    before: Tensor | None = None
    slope_before: Tensor | None = None
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        if sigma_next == 0:
            x = denoised
            continue
        start, end = levels[step], levels[step + 1]
        alpha, alpha_next = sigma / start, sigma_next / end
        ratio = noise_scale(end) / noise_scale(start)
        x = alpha_next / alpha * ratio * x + alpha_next * (1 - ratio) * denoised
        if before is not None and max_stage >= 2:
            way = end - start
            points = end - torch.arange(_POINTS) * (way / _POINTS)
            weights = -way / _POINTS / noise_scale(points) * noise_scale(end)
            slope = (denoised - before) / (start - levels[step - 1])
            x = x + alpha_next * (way + weights.sum()) * slope
            if slope_before is not None and max_stage >= 3:
                curvature = (slope - slope_before) / ((start - levels[step - 2]) / 2)
                x = x + alpha_next * (way**2 / 2 + (weights * (points - start)).sum()) * curvature
            slope_before = slope
        if s_noise > 0:
            amount = (end**2 - start**2 * ratio**2).sqrt().nan_to_num(nan=0.0)
            x = x + noise(float(sigma), float(sigma_next)) * (alpha_next * s_noise * amount)
        before = denoised
    return x
