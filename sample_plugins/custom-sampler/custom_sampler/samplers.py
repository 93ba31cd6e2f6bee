"""Samplers: each solves dx/dsigma = (x - denoised(x, sigma)) / sigma from the highest level to the last.

(Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", eq. 3.) ``x`` is [batch,
channel, height, width], noised to ``sigmas[0]``; ``callback`` is called once a step and may raise to end the run.
"""

# ruff: noqa: TID253 - imported when a sampler is first used
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

Denoise = Callable[[Tensor, Any], Tensor]
Callback = Callable[[int, Tensor, float, Tensor], None]


def sample_ralston(
    denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: Any = None, callback: Callback | None = None
) -> Tensor:
    """Two evaluations a step, at its start and at two thirds of it (Ralston 1962); the error is of second order.

    The step to zero noise is one of Euler's: the slope has no value there.
    """
    for step, (sigma, following) in enumerate(zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True)):
        denoised = denoise(x, sigma)
        if callback is not None:
            callback(step, x, sigma, denoised)
        slope = (x - denoised) / sigma
        change = following - sigma
        if following > 0:
            between = sigma + change * 2 / 3
            later = x + slope * change * 2 / 3
            slope = slope / 4 + 3 / 4 * (later - denoise(later, between)) / between
        x = x + slope * change
    return x


def sample_adams_bashforth(
    denoise: Denoise, x: Tensor, sigmas: Tensor, *, noise: Any = None, callback: Callback | None = None
) -> Tensor:
    """One evaluation a step, and the slope of the step before (Adams and Bashforth 1883); of second order.

    Steps may have different lengths. The first step, and the one to zero noise, are Euler's.
    """
    before: tuple[Tensor, float] | None = None  # slope and length of the last step
    for step, (sigma, following) in enumerate(zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True)):
        denoised = denoise(x, sigma)
        if callback is not None:
            callback(step, x, sigma, denoised)
        slope, change = (x - denoised) / sigma, following - sigma
        used = slope
        if before is not None and following > 0:
            ratio = change / before[1]
            used = slope * (1 + ratio / 2) - before[0] * (ratio / 2)
        x = x + used * change
        before = slope, change
    return x
