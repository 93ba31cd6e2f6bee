"""Linear multistep: steps that reuse earlier slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.levels import steps_of


def sample_lms(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback, order: int = 4
) -> Tensor:
    """``x`` after Adams-Bashforth steps with uneven spacing, the last one to the denoised estimate."""
    slopes: list[Tensor] = []
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        slopes = [(x - denoised) / sigma, *slopes[: order - 1]]
        if sigma_next == 0:
            x = denoised
        else:
            past = sigmas[step - len(slopes) + 1 : step + 1].flip(0)
            weights = adams_weights(past.tolist(), float(sigma_next))
            x = x + sum(weight * slope for weight, slope in zip(weights, slopes, strict=True))
    return x


def adams_weights(nodes: Sequence[float], end: float) -> list[float]:
    """Weights of the slopes at ``nodes`` in the integral from ``nodes[0]`` to ``end`` of the polynomial through them."""
    # Gauss-Legendre with as many points as nodes is exact for the polynomial's degree.
    points, quadrature = np.polynomial.legendre.leggauss(len(nodes))
    half = (end - nodes[0]) / 2
    times = nodes[0] + half * (points + 1)

    def basis(node: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        factors = [(times - other) / (node - other) for other in nodes if other != node]
        return np.prod([np.ones_like(times), *factors], axis=0)

    return [float(half * np.sum(quadrature * basis(node))) for node in nodes]
