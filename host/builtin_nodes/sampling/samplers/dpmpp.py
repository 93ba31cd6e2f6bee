"""DPM-Solver++ (Lu et al. 2022b): exponential integrators in lambda that take the denoised estimate as linear."""

from __future__ import annotations

import math

from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.ancestral import ancestral_step
from host.builtin_nodes.sampling.samplers.snr import SignalScale, finite_levels


def sample_dpmpp_2m(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback
) -> Tensor:
    """``x`` after second-order multistep steps, one evaluation each (Lu et al. 2022b, algorithm 2)."""
    levels = sigmas.tolist()
    before: tuple[Tensor, float] | None = None
    for step, (sigma, sigma_next) in enumerate(zip(levels, levels[1:], strict=False)):
        denoised = denoise(x, sigma)
        callback(step, x, sigma, denoised)
        if sigma_next == 0:
            x = denoised
            continue
        h = math.log(sigma / sigma_next)
        target = denoised
        if before is not None:
            previous, h_previous = before
            target = denoised + (denoised - previous) * (h / (2 * h_previous))
        x = sigma_next / sigma * x - math.expm1(-h) * target
        before = denoised, h
    return x


def sample_dpmpp_sde(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 1.0,
    s_noise: float = 1.0,
    r: float = 0.5,
) -> Tensor:
    """``x`` after second-order singlestep SDE steps with an intermediate level at share ``r`` of the way in lambda
    (Lu et al. 2022b, section 4.1 and appendix B)."""
    scale = SignalScale(denoise.parametrisation.is_flow)
    levels = finite_levels(sigmas.tolist(), denoise.parametrisation)

    def advance(x: Tensor, start: float, end: float, denoised: Tensor) -> Tensor:
        """From one level to another with the estimate held fixed; the noise is that between these levels."""
        alpha, from_, to = scale.alpha(end), start / scale.alpha(start), end / scale.alpha(end)
        down, up = ancestral_step(from_, to, eta)
        x = alpha * (down / from_ * x / scale.alpha(start) + (1 - down / from_) * denoised)
        return x + noise(start, end) * (alpha * s_noise * up) if eta > 0 and s_noise > 0 else x

    for step, (sigma, sigma_next) in enumerate(zip(levels, levels[1:], strict=False)):
        denoised = denoise(x, sigma)
        callback(step, x, sigma, denoised)
        if sigma_next == 0:
            x = denoised
            continue
        start, end = scale.half_log_snr(sigma), scale.half_log_snr(sigma_next)
        middle = scale.sigma(start + r * (end - start))
        denoised_middle = denoise(advance(x, sigma, middle, denoised), middle)
        weight = 1 / (2 * r)
        x = advance(x, sigma, sigma_next, (1 - weight) * denoised + weight * denoised_middle)
    return x
