"""Linear multistep: steps that reuse earlier slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise


def sample_lms(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback, order: int = 4
) -> Tensor:
    """``x`` after Adams-Bashforth steps with uneven spacing, the last one to the denoised estimate."""
    levels = sigmas.tolist()
    slopes: list[Tensor] = []
    for step, (sigma, sigma_next) in enumerate(zip(levels, levels[1:], strict=False)):
        denoised = denoise(x, sigma)
        callback(step, x, sigma, denoised)
        slopes = [(x - denoised) / sigma, *slopes[: order - 1]]
        if sigma_next == 0:
            x = denoised
        else:
            past = levels[step - len(slopes) + 1 : step + 1][::-1]
            weights = adams_weights(past, sigma_next)
            x = x + sum(weight * slope for weight, slope in zip(weights, slopes, strict=True))
    return x


def adams_weights(nodes: Sequence[float], end: float) -> list[float]:
    """Weights of the slopes at ``nodes`` in the integral from ``nodes[0]`` to ``end`` of the polynomial through them."""
    # Gauss-Legendre with as many points as nodes is exact for the polynomial's degree.
    points, quadrature = np.polynomial.legendre.leggauss(len(nodes))
    half = (end - nodes[0]) / 2
    times = nodes[0] + half * (points + 1)
    return [
        float(half * np.sum(quadrature * np.prod([(times - other) / (node - other) for other in nodes if other != node], axis=0)))
        for node in nodes
    ]
