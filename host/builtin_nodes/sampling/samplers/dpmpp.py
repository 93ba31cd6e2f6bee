"""DPM-Solver++ (Lu et al. 2022b): exponential integrators in lambda that take the denoised estimate as linear."""

from __future__ import annotations

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.levels import SignalScale, finite_levels, foresee, steps_of


def sample_dpmpp_2m(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback) -> Tensor:
    """``x`` after second-order multistep steps, one evaluation each (Lu et al. 2022b, algorithm 2)."""
    time = SignalScale(is_flow=False)
    previous: tuple[Tensor, Tensor] | None = None
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        if sigma_next == 0:
            x = denoised
            continue
        start, end = time.half_log_snr(sigma), time.half_log_snr(sigma_next)
        h, target = end - start, denoised
        if previous is not None:
            earlier, h_before = previous
            slope = h / (2 * h_before)
            target = (1 + slope) * denoised - slope * earlier
        x = time.sigma(end) / time.sigma(start) * x - torch.expm1(-h) * target
        previous = denoised, h
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

    def advance(x: Tensor, start: Tensor, end: Tensor, denoised: Tensor) -> Tensor:
        """From one level to another with the estimate held fixed; the noise is that between these levels."""
        time, alpha = scale.half_log_snr(start), scale.alpha(end)
        target = (-scale.half_log_snr(end)).exp()
        # Not as in ancestral_step: the ratio of levels keeps its precision when the first level is huge.
        up = eta * target * (1 - (target / (-time).exp()) ** 2).sqrt() if eta > 0 else torch.zeros_like(target)
        up = torch.where(up < target, up, target)
        down = (target**2 - up**2).sqrt()
        h = -down.log() - time
        x = alpha / scale.alpha(start) * (-h).exp() * x - alpha * torch.expm1(-h) * denoised
        if eta > 0 and s_noise > 0:
            x = x + noise(float(start), float(end)) * (alpha * s_noise * up)
        return x

    sigmas = finite_levels(sigmas, denoise.parametrisation)
    middles = [scale.between(sigma, sigma_next, r) for _, sigma, sigma_next in steps_of(sigmas)]
    if eta > 0 and s_noise > 0:
        foresee(noise, [(sigmas[i], end) for i, middle in enumerate(middles) for end in (middle, sigmas[i + 1])])
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        if sigma_next == 0:
            x = denoised
            continue
        middle = middles[step]
        denoised_middle = denoise(advance(x, sigma, middle, denoised), middle)
        weight = 1 / (2 * r)
        x = advance(x, sigma, sigma_next, (1 - weight) * denoised + weight * denoised_middle)
    return x
