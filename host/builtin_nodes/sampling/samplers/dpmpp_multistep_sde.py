"""DPM-Solver++ multistep SDE solvers (Lu et al. 2022b, section 4.2; the third order after k-diffusion)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.levels import SignalScale, finite_levels, foresee, steps_of


def sample_dpmpp_2m_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: str = "midpoint",
) -> Tensor:
    """``x`` after second-order multistep SDE steps; ``solver_type`` is ``midpoint`` or ``heun``."""
    if solver_type not in {"midpoint", "heun"}:
        raise ValueError(f"solver_type is {solver_type!r}; it must be 'midpoint' or 'heun'.")
    history: list[tuple[Tensor, Tensor]] = []
    scale = SignalScale(denoise.parametrisation.is_flow)
    sigmas = finite_levels(sigmas, denoise.parametrisation)
    if eta > 0 and s_noise > 0:
        foresee(noise, pairwise(sigmas))
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        if sigma_next == 0:
            x = denoised
            continue
        h = scale.half_log_snr(sigma_next) - scale.half_log_snr(sigma)
        x = _first_order(x, denoised, sigma, sigma_next, h, eta, scale)
        if history:
            earlier, h_before = history[-1]
            gain = -torch.expm1(-h * (eta + 1))
            factor = gain / 2 if solver_type == "midpoint" else gain / (-h * (eta + 1)) + 1
            x = x + scale.alpha(sigma_next) * factor * (h / h_before) * (denoised - earlier)
        x = _with_noise(x, noise, sigma, sigma_next, h, eta, s_noise)
        history = [(denoised, h)]
    return x


def sample_dpmpp_2m_sde_heun(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``sample_dpmpp_2m_sde`` with the ``heun`` correction."""
    return sample_dpmpp_2m_sde(
        denoise, x, sigmas, noise=noise, callback=callback, eta=eta, s_noise=s_noise, solver_type="heun"
    )


def sample_dpmpp_3m_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` after third-order multistep SDE steps."""
    history: list[tuple[Tensor, Tensor]] = []
    scale = SignalScale(denoise.parametrisation.is_flow)
    sigmas = finite_levels(sigmas, denoise.parametrisation)
    if eta > 0 and s_noise > 0:
        foresee(noise, pairwise(sigmas))
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        if sigma_next == 0:
            x = denoised
            continue
        h = scale.half_log_snr(sigma_next) - scale.half_log_snr(sigma)
        x = _first_order(x, denoised, sigma, sigma_next, h, eta, scale)
        h_eta, alpha = h * (eta + 1), scale.alpha(sigma_next)
        phi_2 = torch.expm1(-h_eta) / h_eta + 1
        if history:
            r_0, slope = history[-1][1] / h, (denoised - history[-1][0]) / (history[-1][1] / h)
            if len(history) == 2:
                r_1 = history[0][1] / h
                slope_before = (history[-1][0] - history[0][0]) / r_1
                curvature = (slope - slope_before) / (r_0 + r_1)
                slope = slope + curvature * r_0
                x = x - alpha * (phi_2 / h_eta - 0.5) * curvature
            x = x + alpha * phi_2 * slope
        x = _with_noise(x, noise, sigma, sigma_next, h, eta, s_noise)
        history = [*history[-1:], (denoised, h)]
    return x


def _first_order(
    x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor, h: Tensor, eta: float, scale: SignalScale
) -> Tensor:
    kept = sigma_next / sigma * (-h * eta).exp()
    return kept * x - scale.alpha(sigma_next) * torch.expm1(-h * (eta + 1)) * denoised


def _with_noise(
    x: Tensor, noise: StepNoise, sigma: Tensor, sigma_next: Tensor, h: Tensor, eta: float, s_noise: float
) -> Tensor:
    if eta == 0 or s_noise == 0:
        return x
    amount = sigma_next * (-torch.expm1(-2 * h * eta)).sqrt() * s_noise
    return x + noise(float(sigma), float(sigma_next)) * amount
