"""CFG++ (Chung et al. 2024): step to the guided estimate, re-noised along the direction of the negative one."""

from __future__ import annotations

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.ancestral import ancestral_step
from host.builtin_nodes.sampling.samplers.levels import SignalScale, steps_of


def sample_euler_ancestral_cfg_pp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` after first-order ancestral steps with CFG++ (Chung et al. 2024, algorithm 2)."""
    scale = SignalScale(denoise.parametrisation.is_flow)
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised, negative = denoise.pair(x, sigma)
        callback(step, x, float(sigma), denoised)
        if sigma_next == 0:
            x = denoised
            continue
        alpha, alpha_next = scale.alpha(sigma), scale.alpha(sigma_next)
        slope = (x - alpha * negative) / sigma
        down, up = ancestral_step(sigma / alpha, sigma_next / alpha_next, eta)
        x = alpha_next * denoised + alpha_next * down * slope
        if eta > 0 and s_noise > 0:
            x = x + noise(float(sigma), float(sigma_next)) * (alpha_next * s_noise * up)
    return x


def sample_euler_cfg_pp(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback
) -> Tensor:
    """``x`` after first-order steps with CFG++ (Chung et al. 2024, algorithm 2)."""
    return sample_euler_ancestral_cfg_pp(denoise, x, sigmas, noise=noise, callback=callback, eta=0.0)


def sample_euler_cfg_pp_alternative(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback
) -> Tensor:
    """``x`` after first-order steps whose slope leaves the guided estimate for the negative one."""
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised, negative = denoise.pair(x, sigma)
        callback(step, x, float(sigma), denoised)
        x = x + (x - denoised + negative - denoised) / sigma * (sigma_next - sigma)
    return x


def sample_dpmpp_2m_cfg_pp(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback
) -> Tensor:
    """``x`` after DPM-Solver++(2M) steps with CFG++ (Chung et al. 2024, appendix)."""
    previous: tuple[Tensor, Tensor] | None = None
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised, negative = denoise.pair(x, sigma)
        callback(step, x, float(sigma), denoised)
        h = -sigma_next.log() + sigma.log()
        change = torch.exp(-h) * (x - negative)
        if previous is not None and sigma_next > 0:
            earlier, h_before = previous
            change = change - torch.expm1(-h) * (h / (2 * h_before)) * (denoised - earlier)
        x = denoised + change
        previous = negative, h
    return x


def sample_dpmpp_2s_ancestral_cfg_pp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` after ancestral DPM-Solver++(2S) steps with CFG++ (Chung et al. 2024, appendix)."""
    scale = SignalScale(is_flow=False)
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised, negative = denoise.pair(x, sigma)
        callback(step, x, float(sigma), denoised)
        down, up = ancestral_step(sigma, sigma_next, eta)
        if down == 0:
            x = denoised + (x - negative) / sigma * down
            continue
        middle = scale.between(sigma, down, 0.5)
        halfway = denoised + middle / sigma * (x - negative)
        ahead, negative = denoise.pair(halfway, middle)
        x = ahead + down / sigma * (x + denoised - negative - ahead)
        x = x + noise(float(sigma), float(sigma_next)) * (s_noise * up)
    return x
