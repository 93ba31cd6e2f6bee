"""Noise schedules: which levels a run visits.

``karras`` and its like take plain numbers; the functions in ``registry.SCHEDULERS`` take a parametrisation and a
number of steps. All give falling float32 levels on the CPU that end with 0.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from host.builtin_nodes.sampling.parametrisation import Parametrisation


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Levels even in sigma^(1/rho) (Karras et al. 2022, eq. 5), [steps + 1]."""
    ramp = torch.linspace(0, 1, steps)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _then_zero((high + ramp * (low - high)) ** rho)


def exponential(steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Levels even in log-sigma, [steps + 1]."""
    return _then_zero(torch.linspace(math.log(sigma_max), math.log(sigma_min), steps).exp())


def polyexponential(steps: int, sigma_min: float, sigma_max: float, rho: float = 1.0) -> Tensor:
    """Levels whose log-sigma falls with the ``rho``-th power of the steps left, [steps + 1]."""
    ramp = torch.linspace(1, 0, steps) ** rho
    return _then_zero((ramp * (math.log(sigma_max) - math.log(sigma_min)) + math.log(sigma_min)).exp())


def laplace(steps: int, sigma_min: float, sigma_max: float, mu: float = 0.0, beta: float = 0.5) -> Tensor:
    """Levels at quantiles of a Laplace distribution in log-sigma (Hang et al. 2024, table 1); [steps], no 0 at the
    end."""
    offset = 0.5 - torch.linspace(0, 1, steps)
    log_sigmas = mu - beta * offset.sign() * torch.log(1 - 2 * offset.abs() + 1e-5)
    return log_sigmas.exp().clamp(sigma_min, sigma_max)


def variance_preserving(steps: int, beta_d: float = 19.9, beta_min: float = 0.1, eps_s: float = 1e-3) -> Tensor:
    """Levels even in the time of the variance-preserving SDE (Song et al. 2021, eq. 33), [steps + 1]."""
    time = torch.linspace(1, eps_s, steps)
    return _then_zero(torch.expm1(beta_d * time**2 / 2 + beta_min * time).sqrt())


def turbo(parametrisation: Parametrisation, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels of the ten steps turbo models were distilled for, from the share ``denoise`` on (Sauer et al. 2023)."""
    first = 10 - int(10 * denoise)
    timesteps = torch.arange(999, 0, -100)[first : first + steps]
    return _then_zero(parametrisation.sigma(timesteps))


def token_shifted(
    steps: int,
    tokens: int = 4096,
    base_shift: float = 0.95,
    max_shift: float = 2.05,
    *,
    terminal: float | None = 0.1,
) -> Tensor:
    """Levels of a flow, moved towards noise the more the more tokens there are (LTX-Video); [steps + 1].

    The shift is linear in the number of tokens: ``base_shift`` at 1024, ``max_shift`` at 4096. With ``terminal`` the
    levels are stretched so that the last one above 0 is that.
    """
    slope = (max_shift - base_shift) / (4096 - 1024)
    factor = math.exp(tokens * slope + base_shift - slope * 1024)
    time = torch.linspace(1.0, 0.0, steps + 1)[:-1]
    levels = factor / (factor + (1 / time - 1))
    if terminal is not None:
        removed = 1 - levels
        levels = 1 - removed / (removed[-1] / (1 - terminal))
    return _then_zero(levels)


def kl_optimal(steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Levels even in atan(sigma) (Sabour et al. 2024, "Align Your Steps", theorem 3.1), [steps + 1].

    The formula is undefined for one step: that gives NaN.
    """
    ramp = torch.arange(steps, dtype=torch.float32) / (steps - 1 if steps > 1 else math.nan)
    return _then_zero((ramp * math.atan(sigma_min) + (1 - ramp) * math.atan(sigma_max)).tan())


def karras_schedule(parametrisation: Parametrisation, steps: int) -> Tensor:
    """``karras`` between the model's extreme levels."""
    return karras(steps, parametrisation.sigma_min, parametrisation.sigma_max)


def exponential_schedule(parametrisation: Parametrisation, steps: int) -> Tensor:
    """``exponential`` between the model's extreme levels."""
    return exponential(steps, parametrisation.sigma_min, parametrisation.sigma_max)


def kl_optimal_schedule(parametrisation: Parametrisation, steps: int) -> Tensor:
    """``kl_optimal`` between the model's extreme levels."""
    return kl_optimal(steps, parametrisation.sigma_min, parametrisation.sigma_max)


def normal_schedule(parametrisation: Parametrisation, steps: int) -> Tensor:
    """Levels even in timesteps, the lowest level included; [steps + 1]."""
    if abs(_sigma(parametrisation, _end(parametrisation))) < 1e-5:
        return _at_timesteps(parametrisation, steps + 1)
    return _then_zero(_at_timesteps(parametrisation, steps))


def sgm_uniform_schedule(parametrisation: Parametrisation, steps: int) -> Tensor:
    """Levels even in timesteps, the lowest level left out; [steps + 1]."""
    return _then_zero(_at_timesteps(parametrisation, steps + 1)[:-1])


def simple_schedule(parametrisation: Parametrisation, steps: int) -> Tensor:
    """Entries of the model's table at even distances, from the top; [steps + 1]."""
    table = parametrisation.sigmas
    stride = len(table) / steps
    return _then_zero(table[[-(1 + int(step * stride)) for step in range(steps)]])


def ddim_uniform_schedule(parametrisation: Parametrisation, steps: int) -> Tensor:
    """Every n-th entry of the model's table from its second one, as in DDIM (Song et al. 2020).

    n is rounded down, so there can be more steps than asked for.
    """
    table = parametrisation.sigmas
    if abs(float(table[1])) < 1e-5:
        return table[1 :: max(len(table) // (steps + 1), 1)].flip(0)
    return _then_zero(table[1 :: max(len(table) // steps, 1)].flip(0))


def beta_schedule(parametrisation: Parametrisation, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Entries of the model's table at quantiles of a beta distribution (Lee et al. 2024, "Beta Sampling").

    Repeated entries are dropped, so there can be fewer steps than asked for.
    """
    from scipy.special import betaincinv

    table = parametrisation.sigmas
    # NumPy's spacing: its last bit decides between two entries at equal distances.
    quantiles = 1 - np.linspace(0, 1, steps, endpoint=False)
    indices = torch.from_numpy(betaincinv(alpha, beta, quantiles) * (len(table) - 1)).round().long()
    return _then_zero(table[torch.unique_consecutive(indices)])


def linear_quadratic_schedule(parametrisation: Parametrisation, steps: int) -> Tensor:
    """Noise removed linearly up to 2.5 % in the first half of the steps, quadratically after (Mochi 1); [steps + 1]."""
    if steps == 1:
        return torch.tensor([parametrisation.sigma_max, 0.0])
    threshold = 0.025
    linear_steps = steps // 2
    quadratic_steps = steps - linear_steps
    excess = linear_steps - threshold * steps
    quadratic = excess / (linear_steps * quadratic_steps**2)
    linear = threshold / linear_steps - 2 * excess / quadratic_steps**2
    constant = quadratic * linear_steps**2
    removed = [step * threshold / linear_steps for step in range(linear_steps)]
    removed += [quadratic * step**2 + linear * step + constant for step in range(linear_steps, steps)]
    return torch.tensor([1.0 - share for share in removed] + [0.0]) * parametrisation.sigma_max


def _at_timesteps(parametrisation: Parametrisation, count: int) -> Tensor:
    start = float(parametrisation.timestep(torch.tensor(parametrisation.sigma_max)))
    # One by one: exp of a vector may round differently from exp of a number, and samples at high levels show it.
    return torch.stack([parametrisation.sigma(t) for t in torch.linspace(start, _end(parametrisation), count)])


def _end(parametrisation: Parametrisation) -> float:
    return float(parametrisation.timestep(torch.tensor(parametrisation.sigma_min)))


def _sigma(parametrisation: Parametrisation, timestep: float) -> float:
    return float(parametrisation.sigma(torch.tensor(timestep)))


def _then_zero(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas.float(), sigmas.new_zeros(1, dtype=torch.float32)])
