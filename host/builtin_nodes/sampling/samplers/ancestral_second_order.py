"""Second-order ancestral steps: DPM-Solver-2 and DPM-Solver++(2S) down to a lower level, then fresh noise."""

from __future__ import annotations

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.ancestral import ancestral_step, flow_ancestral_step
from host.builtin_nodes.sampling.samplers.levels import SignalScale, steps_of


def sample_dpm_2_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` after ancestral steps whose slope is taken at the geometric middle (Lu et al. 2022, algorithm 1)."""
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        down, factor, up = _down(denoise, sigma, sigma_next, eta)
        slope = (x - denoised) / sigma
        if down == 0:
            x = x + slope * (down - sigma)
            continue
        middle = sigma.log().lerp(down.log(), 0.5).exp()
        between = x + slope * (middle - sigma)
        slope = (between - denoise(between, middle)) / middle
        x = factor * (x + slope * (down - sigma)) + noise(float(sigma), float(sigma_next)) * (s_noise * up)
    return x


def sample_dpmpp_2s_ancestral(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` after ancestral steps with the estimate taken half-way in lambda (Lu et al. 2022b, algorithm 1)."""
    scale = SignalScale(denoise.parametrisation.is_flow)
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        down, factor, up = _down(denoise, sigma, sigma_next, eta)
        if down == 0:
            x = x + (x - denoised) / sigma * (down - sigma)
        else:
            # At a flow's level 1, lambda is -infinity: there is no half-way.
            middle = torch.tensor(0.9999) if scale.is_flow and sigma == 1 else scale.between(sigma, down, 0.5)
            denoised = denoise(denoised + middle / sigma * (x - denoised), middle)
            x = denoised + down / sigma * (x - denoised)
        if sigma_next > 0 and eta > 0:
            x = factor * x + noise(float(sigma), float(sigma_next)) * (s_noise * up)
    return x


def _down(denoise: Denoiser, sigma: Tensor, sigma_next: Tensor, eta: float) -> tuple[Tensor, Tensor, Tensor]:
    if denoise.parametrisation.is_flow:
        return flow_ancestral_step(sigma, sigma_next, eta)
    down, up = ancestral_step(sigma, sigma_next, eta)
    return down, torch.ones(()), up
