"""UniPC (Zhao et al. 2023): a multistep predictor whose corrector reuses the next step's evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise

_ORDER = 3


def sample_uni_pc(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback, b_h: str = "bh1"
) -> Tensor:
    """``x`` after UniPC-3 steps on the denoised estimate (Zhao et al. 2023, algorithm 5 to 8).

    The last of ``sigmas`` must be above 0. ``b_h`` is the paper's B(h): ``bh1`` is h, ``bh2`` is e^h - 1.
    ``callback`` gets the sample in the paper's variance-preserving scale.
    """
    if b_h not in {"bh1", "bh2"}:
        raise ValueError(f"b_h is {b_h!r}; it must be 'bh1' or 'bh2'.")
    steps = len(sigmas) - 1
    highest = max(1, min(_ORDER, steps - 1))
    curve = _Preserving(sigmas)
    x = x / (1 + sigmas[0] ** 2) ** 0.5
    estimates = [curve.estimate(denoise, x, 0)]
    for step in range(steps):
        if step > 0:
            solver = _Step(curve, x, step, estimates[-min(step, highest, steps + 1 - step) :][::-1], b_h)
            estimate = curve.estimate(denoise, solver.predicted(), step)
            x = solver.corrected(estimate)
            estimates = [*estimates[-(_ORDER - 1) :], estimate]
        if step == steps - 1:
            x = _Step(curve, x, steps, estimates[-1:], b_h).predicted()
        callback(step, x, float(sigmas[step]), estimates[-1])
    return x / curve.alphas[-1]


def sample_uni_pc_bh2(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback) -> Tensor:
    """``sample_uni_pc`` with B(h) = e^h - 1."""
    return sample_uni_pc(denoise, x, sigmas, noise=noise, callback=callback, b_h="bh2")


class _Preserving:
    """The levels in the paper's variance-preserving terms, in float32: at low levels its rounding shows."""

    def __init__(self, sigmas: Tensor) -> None:
        log_alphas = 0.5 * torch.log(1 / (sigmas**2 + 1))
        self.sigmas, self.alphas = sigmas, log_alphas.exp()
        self.deviations = (1 - (2 * log_alphas).exp()).sqrt()
        self.lambdas = log_alphas - self.deviations.log()

    def estimate(self, denoise: Denoiser, x: Tensor, step: int) -> Tensor:
        """The clean latent by way of the noise estimate."""
        sigma = self.sigmas[step]
        seen = x * (sigma**2 + 1) ** 0.5
        epsilon = (seen - denoise(seen, sigma)) / sigma
        return (x - self.deviations[step] * epsilon) / self.alphas[step]


class _Step:
    """The step to level ``step``, from the estimates at the levels before it, latest first."""

    def __init__(self, curve: _Preserving, x: Tensor, step: int, estimates: Sequence[Tensor], b_h: str) -> None:
        here, end = curve.lambdas[step - 1], curve.lambdas[step]
        h, alpha = end - here, curve.alphas[step]
        self._order = len(estimates)
        self._now = estimates[0]
        ratios = [(curve.lambdas[step - 1 - back] - here) / h for back in range(1, self._order)]
        self._differences = [(past - self._now) / ratio for past, ratio in zip(estimates[1:], ratios, strict=True)]
        kept = curve.deviations[step] / curve.deviations[step - 1]
        self._first_order = kept * x - alpha * torch.expm1(-h) * self._now
        self._alpha = alpha
        self._b = -h if b_h == "bh1" else torch.expm1(-h)
        powers = torch.stack([*ratios, torch.ones_like(h)])
        self._rows = torch.stack([powers**exponent for exponent in range(self._order)])
        self._moments = self._phi(h)

    def _phi(self, h: Tensor) -> Tensor:
        """The paper's g: moments of the exponential kernel over the step, divided by B(h)."""
        moments, factorial = [], 1
        phi = torch.expm1(-h) / -h - 1
        for exponent in range(1, self._order + 1):
            moments.append(phi * factorial / self._b)
            factorial *= exponent + 1
            phi = phi / -h - 1 / factorial
        return torch.stack(moments)

    def predicted(self) -> Tensor:
        if self._order == 1:
            return self._first_order
        # The paper's choice for order 2, where the system has one unknown too few.
        weights = (
            torch.tensor([0.5]) if self._order == 2 else torch.linalg.solve(self._rows[:-1, :-1], self._moments[:-1])
        )
        return self._first_order - self._alpha * self._b * self._sum(weights)

    def corrected(self, estimate: Tensor) -> Tensor:
        weights = torch.tensor([0.5]) if self._order == 1 else torch.linalg.solve(self._rows, self._moments)
        return self._first_order - self._alpha * self._b * (
            self._sum(weights[:-1]) + weights[-1] * (estimate - self._now)
        )

    def _sum(self, weights: Tensor) -> Tensor:
        total = torch.zeros_like(self._now)
        for weight, difference in zip(weights, self._differences, strict=True):
            total = total + weight * difference
        return total
