"""Ancestral steps: go further down than the next level, then add fresh noise up to it."""

from __future__ import annotations

from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise


def ancestral_step(sigma: float, sigma_next: float, eta: float = 1.0) -> tuple[float, float]:
    """(level to step down to, noise to add), as DDPM would at ``eta`` 1 (Song et al. 2020, DDIM, eq. 16)."""
    if eta == 0:
        return sigma_next, 0.0
    up = min(sigma_next, eta * (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5)
    return (sigma_next**2 - up**2) ** 0.5, up


def flow_ancestral_step(sigma: float, sigma_next: float, eta: float = 1.0) -> tuple[float, float, float]:
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
    """``x`` after first-order ancestral steps; ``eta`` 0 is plain Euler."""
    is_flow = denoise.parametrisation.is_flow
    levels = sigmas.tolist()
    for step, (sigma, sigma_next) in enumerate(zip(levels, levels[1:], strict=False)):
        denoised = denoise(x, sigma)
        callback(step, x, sigma, denoised)
        if sigma_next == 0:
            x = denoised
            continue
        if is_flow:
            down, factor, up = flow_ancestral_step(sigma, sigma_next, eta)
        else:
            (down, up), factor = ancestral_step(sigma, sigma_next, eta), 1.0
        x = factor * (denoised + down / sigma * (x - denoised))
        if eta > 0:
            x = x + noise(sigma, sigma_next) * (s_noise * up)
    return x
