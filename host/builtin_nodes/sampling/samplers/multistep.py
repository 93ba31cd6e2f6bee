"""Linear multistep: steps that reuse earlier slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
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
            x = x + _weighted(weights, slopes)
    return x


def adams_weights(nodes: Sequence[float], end: float) -> list[float]:
    """Weights of the slopes at ``nodes`` in the integral of the polynomial through them, ``nodes[0]`` to ``end``."""
    # Gauss-Legendre with as many points as nodes is exact for the polynomial's degree.
    points, quadrature = np.polynomial.legendre.leggauss(len(nodes))
    half = (end - nodes[0]) / 2
    times = nodes[0] + half * (points + 1)

    def basis(node: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        factors = [(times - other) / (node - other) for other in nodes if other != node]
        product: np.ndarray[tuple[int], np.dtype[np.float64]] = np.prod([np.ones_like(times), *factors], axis=0)
        return product

    return [float(half * np.sum(quadrature * basis(node))) for node in nodes]


def sample_ipndm(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback, max_order: int = 4
) -> Tensor:
    """``x`` after Adams-Bashforth steps with the weights of even spacing (Zhang & Chen 2022, eq. 13)."""
    slopes: list[Tensor] = []
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        slopes = [(x - denoised) / sigma, *slopes[: max_order - 1]]
        if sigma_next == 0:
            x = denoised
        else:
            weights = adams_weights([-float(past) for past in range(len(slopes))], 1.0)
            x = x + (sigma_next - sigma) * _weighted(weights, slopes)
    return x


def sample_ipndm_v(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback, max_order: int = 4
) -> Tensor:
    """``x`` after multistep steps with weights for uneven spacing (Zhou et al. 2024, AMED-Solver's iPNDM_v)."""
    slopes: list[Tensor] = []
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(x, sigma)
        callback(step, x, float(sigma), denoised)
        slopes = [(x - denoised) / sigma, *slopes[: max_order - 1]]
        if sigma_next == 0:
            x = denoised
        else:
            widths = sigmas[step + 2 - len(slopes) - 1 : step + 2].diff().flip(0).tolist()
            x = x + (sigma_next - sigma) * _weighted(ipndm_v_weights(widths), slopes)
    return x


def ipndm_v_weights(widths: Sequence[float]) -> list[float]:
    """Weights of the latest slopes, latest first, for this step's width followed by those of the steps before.

    They are Adams-Bashforth weights up to the second order. From the third on they are what the published solver
    computes, which differs from Adams-Bashforth.
    """
    h, *past = widths
    if not past:
        return [1.0]
    ratio = h / past[0]
    weights = [1 + ratio / 2, -ratio / 2, 0.0, 0.0]
    if len(past) >= 2:
        h_1, h_2 = past[:2]
        third = (1 - h / (3 * (h + h_1)) * (h * (h + h_1)) / (h_1 * (h_1 + h_2))) / 2
        weights = [weights[0] + third, weights[1] - (1 + h_1 / h_2) * third, third * h_1 / h_2, 0.0]
    if len(past) >= 3:
        h_3 = past[2]
        spread = h_1 * (h_1 + h_2) / (h_2 * (h_2 + h_3))
        fourth = (1 - h / (3 * (h + h_1))) / 2 + (1 - h / (2 * (h + h_1))) * h / (6 * (h + h_1 + h_2))
        fourth *= h * (h + h_1) * (h + h_1 + h_2) / (h_1 * (h_1 + h_2) * (h_1 + h_2 + h_3))
        weights[0] += fourth
        weights[1] -= (1 + h_1 / h_2 + spread) * fourth
        weights[2] += (h_1 / h_2 + spread * (1 + h_2 / h_3)) * fourth
        weights[3] = -spread * h_1 / h_2 * fourth
    return weights[: len(widths)]


def _weighted(weights: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([weight * tensor for weight, tensor in zip(weights, tensors, strict=True)]).sum(0)
