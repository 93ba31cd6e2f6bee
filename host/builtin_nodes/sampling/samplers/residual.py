"""Second-order exponential multistep steps with refined coefficients (Zhang et al. 2023, "RES"), and Euler steps
whose slope is corrected by the previous one (Permenter & Yuan 2023, "gradient estimation")."""

from __future__ import annotations

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.ancestral import ancestral_step
from host.builtin_nodes.sampling.samplers.levels import steps_of


def sample_res_multistep(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 0.0,
    s_noise: float = 1.0,
    cfg_pp: bool = False,
) -> Tensor:
    """``x`` after second-order exponential steps (Zhang et al. 2023, section 4.2); ``cfg_pp`` re-noises along the
    negative estimate (Chung et al. 2024)."""
    earlier: tuple[Tensor, Tensor] | None = None
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised, base = denoise.pair(x, sigma) if cfg_pp else (denoise(x, sigma),) * 2
        callback(step, x, float(sigma), denoised)
        down, up = ancestral_step(sigma, sigma_next, eta)
        if down == 0 or earlier is None:
            x = denoised + (x - base) / sigma * down
        else:
            base_before, down_before = earlier
            h = sigma.log() - down.log()
            spacing = (down_before.log() - sigmas[step - 1].log()) / h
            phi_1 = torch.expm1(-h) / -h
            second = torch.nan_to_num((phi_1 - 1) / -h / spacing)
            x = (-h).exp() * (x + (denoised - base)) + h * ((phi_1 - second) * base + second * base_before)
        if sigma_next > 0:
            x = x + noise(float(sigma), float(sigma_next)) * (s_noise * up)
        earlier = base, down
    return x


def sample_res_multistep_cfg_pp(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback
) -> Tensor:
    """``sample_res_multistep`` with CFG++."""
    return sample_res_multistep(denoise, x, sigmas, noise=noise, callback=callback, cfg_pp=True)


def sample_res_multistep_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``sample_res_multistep`` with ancestral steps."""
    return sample_res_multistep(denoise, x, sigmas, noise=noise, callback=callback, eta=eta, s_noise=s_noise)


def sample_res_multistep_ancestral_cfg_pp(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``sample_res_multistep`` with ancestral steps and CFG++."""
    return sample_res_multistep(
        denoise, x, sigmas, noise=noise, callback=callback, eta=eta, s_noise=s_noise, cfg_pp=True
    )


def sample_gradient_estimation(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    gamma: float = 2.0,
    cfg_pp: bool = False,
) -> Tensor:
    """``x`` after Euler steps along ``gamma`` times this slope less ``gamma - 1`` times the last
    (Permenter & Yuan 2023, algorithm 2)."""
    slope_before: Tensor | None = None
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised, base = denoise.pair(x, sigma) if cfg_pp else (denoise(x, sigma),) * 2
        callback(step, x, float(sigma), denoised)
        slope = (x - base) / sigma
        if sigma_next == 0:
            x = denoised
        else:
            x = denoised + slope * sigma_next
            if slope_before is not None:
                x = x + (gamma - 1) * (slope - slope_before) * (sigma_next - sigma)
        slope_before = slope
    return x


def sample_gradient_estimation_cfg_pp(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback, gamma: float = 2.0
) -> Tensor:
    """``sample_gradient_estimation`` with CFG++."""
    return sample_gradient_estimation(denoise, x, sigmas, noise=noise, callback=callback, gamma=gamma, cfg_pp=True)
