"""Samplers that go to the clean estimate, or its posterior mean, and draw the next level afresh."""

from __future__ import annotations

from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.levels import steps_of


def sample_ddpm(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback) -> Tensor:
    """``x`` after steps to the mean of the posterior plus noise of its variance (Ho et al. 2020, eq. 6 and 7)."""
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        alpha_bar, alpha_bar_next = 1 / (sigma**2 + 1), 1 / (sigma_next**2 + 1)
        alpha = alpha_bar / alpha_bar_next
        epsilon = (x - denoised) / sigma
        preserving = x / (1 + sigma**2) ** 0.5
        mean = (1 / alpha) ** 0.5 * (preserving - (1 - alpha) * epsilon / (1 - alpha_bar) ** 0.5)
        if sigma_next > 0:
            deviation = ((1 - alpha) * (1 - alpha_bar_next) / (1 - alpha_bar)) ** 0.5
            mean = (mean + deviation * noise(float(sigma), float(sigma_next))) * (1 + sigma_next**2) ** 0.5
        x = mean
    return x


def sample_lcm(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback) -> Tensor:
    """``x`` after steps to the estimate, noised anew (Luo et al. 2023, "Latent Consistency Models", algorithm 3)."""
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        x = denoised
        if sigma_next > 0:
            fresh = noise(float(sigma), float(sigma_next))
            x = denoise.parametrisation.noise_scaling(sigma_next, fresh, denoised)
    return x
