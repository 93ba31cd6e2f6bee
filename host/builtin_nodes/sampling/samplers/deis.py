"""DEIS (Zhang & Chen 2022): exponential multistep steps, polynomials in the time of a variance-preserving SDE."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.levels import steps_of

_POINTS = 10_000
_FIRST_TIME = 1e-3
_LOWEST, _HIGHEST = 0.002, 80.0


def sample_deis(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback, max_order: int = 3
) -> Tensor:
    """``x`` after tAB-DEIS steps (Zhang & Chen 2022, eq. 15), the last one to the denoised estimate."""
    slopes: list[Tensor] = []
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        slopes = [(x - denoised) / sigma, *slopes[: max_order - 1]]
        if sigma_next == 0:
            x = denoised
        elif len(slopes) == 1:
            x = x + (sigma_next - sigma) * slopes[0]
        else:
            nodes = sigmas[step - len(slopes) + 1 : step + 1].flip(0)
            for weight, slope in zip(deis_weights(nodes, sigma_next), slopes, strict=True):
                x = x + weight * slope
    return x


def deis_weights(nodes: Tensor, end: Tensor) -> list[float]:
    """Weights of the slopes at levels ``nodes``, latest first, in a step to ``end``: the integral over sigma of each
    one's Lagrange polynomial in time, as a sum of 10,000 terms."""
    times, beta_0, beta_1 = _vp_times(torch.cat([nodes, end.reshape(1)]).double())
    points = torch.linspace(float(times[0]), float(times[-1]), _POINTS, dtype=torch.float64)
    alpha_bar = torch.exp(-0.5 * points**2 * (beta_1 - beta_0) - points * beta_0)
    speed = 0.5 * (points * (beta_1 - beta_0) + beta_0) / (alpha_bar * (1 - alpha_bar)).sqrt()
    width = float(times[-1] - times[0]) / _POINTS
    weights = []
    for index, node in enumerate(times[:-1]):
        others = torch.cat([times[:index], times[index + 1 : -1]])
        basis = ((points[:, None] - others) / (node - others)).prod(dim=1)
        weights.append(float((speed * basis).sum()) * width)
    return weights


def _vp_times(sigmas: Tensor) -> tuple[Tensor, float, float]:
    """Times of levels in the variance-preserving SDE whose levels run from 0.002 at 0.001 to 80 at 1; its betas."""
    low, high = math.log(_LOWEST**2 + 1), math.log(_HIGHEST**2 + 1)
    beta_d = 2 * (low / _FIRST_TIME - high) / (_FIRST_TIME - 1)
    beta_min = high - 0.5 * beta_d
    times = ((beta_min**2 + 2 * beta_d * (sigmas**2 + 1).log()).sqrt() - beta_min) / beta_d
    return times, beta_min, beta_d + beta_min
