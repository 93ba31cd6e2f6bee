"""Consistency sampling (Luo et al. 2023, algorithm 3) on a latent that grows while it is sampled."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from host.builtin_nodes.latents.scaling import scale_latent
from host.builtin_nodes.sampling.interfaces import Callback, Denoiser
from host.builtin_nodes.sampling.samplers.levels import steps_of


class ShapedNoise(Protocol):
    """Unit noise in any shape."""

    def shaped(self, like: Tensor) -> Tensor: ...


def sample_lcm_upscale(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: ShapedNoise,
    callback: Callback,
    ratio: float = 2.0,
    growing_steps: int | None = None,
    method: str = "bislerp",
) -> Tensor:
    """``x`` after steps to the estimate, resized and noised anew; it ends ``ratio`` times as long along each side.

    It grows by equal amounts after each of the first ``growing_steps`` steps, half of all steps if not given. As noise
    is added without scaling the estimate, this is for models whose samples are ``latent + sigma * noise``.
    """
    count = max(len(sigmas) // 2, 1) if growing_steps is None else min(growing_steps, len(sigmas))
    ratios = torch.linspace(1.0, ratio, count + 1, dtype=torch.float64)[1:].tolist()
    height, width = x.shape[-2:]
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        x = denoised
        if step < len(ratios):
            x = scale_latent(x, round(width * ratios[step]), round(height * ratios[step]), method)
        if sigma_next > 0:
            x = x + sigma_next * noise.shaped(x)
    return x
