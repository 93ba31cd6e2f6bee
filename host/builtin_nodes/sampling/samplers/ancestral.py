"""Ancestral steps: go further down than the next level, then add fresh noise up to it."""

from __future__ import annotations

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.levels import steps_of


def ancestral_step(sigma: Tensor, sigma_next: Tensor, eta: float = 1.0) -> tuple[Tensor, Tensor]:
    """(level to step down to, noise to add), as DDPM would at ``eta`` 1 (Song et al. 2020, DDIM, eq. 16).

    From an infinite level, which has no signal to keep, everything is drawn anew whatever ``eta`` is; so it is on the
    way up, where such a step does not exist.
    """
    if eta == 0:
        return sigma_next, torch.zeros_like(sigma_next)
    if torch.isinf(sigma):
        return torch.zeros_like(sigma_next), sigma_next
    up = eta * (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5
    up = torch.where(up < sigma_next, up, sigma_next)
    return (sigma_next**2 - up**2) ** 0.5, up


def flow_ancestral_step(sigma: Tensor, sigma_next: Tensor, eta: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """The same for flow models: (level to step down to, factor on the sample there, noise to add).

    The factor brings the signal back to ``1 - sigma_next``; the noise brings the level back to ``sigma_next``.
    """
    down = sigma_next * (1 + (sigma_next / sigma - 1) * eta)
    factor = (1 - sigma_next) / (1 - down)
    return down, factor, (sigma_next**2 - (down * factor) ** 2) ** 0.5


def sample_euler_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` after first-order ancestral steps; ``eta`` 0 is plain Euler.

    A step whose noise would all be exchanged (``eta`` above 1) ends at the estimate: that is what images made with this
    sampler were made with.
    """
    is_flow = denoise.parametrisation.is_flow
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        if is_flow:
            down, factor, up = flow_ancestral_step(sigma, sigma_next, eta)
        else:
            (down, up), factor = ancestral_step(sigma, sigma_next, eta), torch.ones(())
        if sigma_next == 0 or (down == 0 and not is_flow):
            x = denoised
            continue
        x = factor * (x + (x - denoised) / sigma * (down - sigma))
        if eta > 0:
            x = x + noise(float(sigma), float(sigma_next)) * (s_noise * up)
    return x
