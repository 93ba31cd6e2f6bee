"""SA-Solver (Xue et al. 2023): stochastic Adams predictor and corrector."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.samplers.levels import SignalScale, finite_levels, steps_of

Tau = Callable[[float], float]


def tau_between(
    parametrisation: Parametrisation, start_percent: float = 0.2, end_percent: float = 0.8, eta: float = 1.0
) -> Tau:
    """How stochastic each level is (the paper's tau): ``eta`` between two shares of a run, 0 outside."""
    high, low = (parametrisation.percent_to_sigma(percent) for percent in (start_percent, end_percent))
    return lambda sigma: eta if low <= sigma <= high else 0.0


def sample_sa_solver(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    tau: Tau | None = None,
    s_noise: float = 1.0,
    predictor_order: int = 3,
    corrector_order: int = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
) -> Tensor:
    """``x`` after predictor and corrector steps (Xue et al. 2023, algorithm 1).

    ``use_pece`` evaluates once more after each correction; ``simple_order_2`` takes the paper's simplified weights
    where two estimates are used (appendix D). ``tau`` makes a level stochastic, ``tau_between`` by default.
    """
    tau = tau_between(denoise.parametrisation) if tau is None else tau
    scale = SignalScale(denoise.parametrisation.is_flow)
    sigmas = finite_levels(sigmas, denoise.parametrisation)
    lambdas = torch.stack([scale.half_log_snr(sigma) for sigma in sigmas]).double()
    to_zero = bool(sigmas[-1] == 0)
    estimates: list[Tensor] = []
    predicted, increment, tau_now = x, torch.zeros_like(x), 0.0
    for step, sigma, sigma_next in steps_of(sigmas):
        denoised = denoise(predicted, sigma)
        callback(step, predicted, float(sigma), denoised)
        estimates = [*estimates, denoised][-max(predictor_order, corrector_order) :]
        last = sigma_next == 0
        correct_with = 0 if step == 0 or (last and not use_pece) else min(corrector_order, len(estimates))
        predict_with = min(predictor_order, len(estimates))
        if to_zero:
            # The order falls towards the end, where a wrong extrapolation would not be corrected any more.
            predict_with = min(predict_with, len(sigmas) - 2 - step)
            correct_with = min(correct_with, len(sigmas) - 1 - step)
        if correct_with == 0:
            x = predicted
        else:
            nodes = lambdas[step - correct_with + 1 : step + 1]
            ends = lambdas[step - 1], lambdas[step]
            weights = _weights(nodes, *ends, tau_now, corrector=True, simple=simple_order_2)
            x = _moved(x, estimates, weights, sigmas[step - 1], sigma, ends, tau_now, scale) + increment
            if use_pece:
                denoised = denoise(x, sigma)
                estimates[-1] = denoised
        if last:
            return denoised
        tau_now = tau(float(sigma_next))
        ends = lambdas[step], lambdas[step + 1]
        nodes = lambdas[step - predict_with + 1 : step + 1]
        weights = _weights(nodes, *ends, tau_now, corrector=False, simple=simple_order_2)
        predicted = _moved(x, estimates, weights, sigma, sigma_next, ends, tau_now, scale)
        increment = torch.zeros_like(x)
        if tau_now > 0 and s_noise > 0:
            amount = float(sigma_next) * (-torch.expm1(-2 * tau_now**2 * (ends[1] - ends[0]))).sqrt() * s_noise
            increment = noise(float(sigma), float(sigma_next)) * amount
            predicted = predicted + increment
    # A schedule that stops above 0 gives the sample of the last evaluation, not the prediction beyond it: that is
    # what images made with this solver were made with.
    return x


def sample_sa_solver_pece(
    denoise: Denoiser, x: Tensor, sigmas: Tensor, *, noise: StepNoise, callback: Callback
) -> Tensor:
    """``sample_sa_solver`` that evaluates once more after each correction."""
    return sample_sa_solver(denoise, x, sigmas, noise=noise, callback=callback, use_pece=True)


def _moved(
    x: Tensor,
    estimates: list[Tensor],
    weights: Tensor,
    sigma: Tensor,
    sigma_next: Tensor,
    ends: tuple[Tensor, Tensor],
    tau: float,
    scale: SignalScale,
) -> Tensor:
    """``x`` at the next level, without noise (Xue et al. 2023, eq. 14)."""
    decay = (-(tau**2) * (ends[1] - ends[0])).exp()
    moved = float(sigma_next) / float(sigma) * decay * x
    alpha = float(scale.alpha(sigma_next))
    for weight, estimate in zip(weights, estimates[len(estimates) - len(weights) :], strict=True):
        moved = moved + alpha * weight * estimate
    return moved


def _weights(nodes: Tensor, start: Tensor, end: Tensor, tau: float, *, corrector: bool, simple: bool) -> Tensor:
    """Weights of the estimates at ``nodes`` (oldest first): the integral over a step in lambda of each one's Lagrange
    polynomial, against the exponential kernel (Xue et al. 2023, eq. 15 and 18)."""
    rate = 1 + tau**2
    h = end - start
    if simple and len(nodes) == 2:
        total = -torch.expm1(-rate * h)
        if corrector:
            older = total - 0.5 * rate * h
        else:
            older = 0.5 * rate * h**2 / (nodes[0] - start)
        return torch.stack([older, total - older])
    # In lambda relative to the end the moments are well conditioned: I_k = s^k - k / rate * I_(k-1) at both ends.
    moments = [-torch.expm1(-rate * h)]
    for power in range(1, len(nodes)):
        boundary = -((-h) ** power) * (-rate * h).exp()
        moments.append(boundary - power / rate * moments[-1])
    rows = torch.stack([(nodes - end) ** power for power in range(len(nodes))])
    weights: Tensor = torch.linalg.solve(rows, torch.stack(moments))
    return weights
