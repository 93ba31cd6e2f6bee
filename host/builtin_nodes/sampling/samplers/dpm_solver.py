"""DPM-Solver (Lu et al. 2022) of orders 1 to 3: with a fixed number of evaluations, and with adaptive steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from host.builtin_nodes.sampling.interfaces import Callback, Denoiser, StepNoise
from host.builtin_nodes.sampling.samplers.ancestral import ancestral_step
from sdk import NodeError

MOST_REFUSALS = 100
"""So many steps refused one after the other are not about their length: it could have shrunk a billion times."""


def sample_dpm_fast(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` at the last level above 0, after as many evaluations as there are steps (Lu et al. 2022, section 3.4).

    Of the levels only the first and the last count; between them steps are even in lambda, of order 3 while
    evaluations last.
    """
    evaluations = len(sigmas) - 1
    start, end = _ends(sigmas)
    whole, rest = divmod(evaluations, 3)
    orders = [3] * (whole - 1) + [2, 1] if rest == 0 else [3] * whole + [rest]
    times = torch.linspace(float(start), float(end), len(orders) + 1)
    for step, order in enumerate(orders):
        time, target = times[step], times[step + 1]
        down, up = _down(time, target, end, eta)
        solver = _Solver(denoise, x, time)
        callback(step, x, float((-time).exp()), solver.denoised)
        x = solver.step(down, order)
        if up > 0:
            x = x + noise(float((-time).exp()), float((-target).exp())) * (s_noise * up)
    return x


def sample_dpm_adaptive(
    denoise: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    noise: StepNoise,
    callback: Callback,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """``x`` at the last level above 0, after steps as long as their error allows (Lu et al. 2022, algorithm 3).

    Of the levels only the first and the last count, which may be the higher one. The error is the difference of two
    orders; steps are chosen by a PID controller (Söderlind 2003). Steps that are taken back are reported too.

    Raises:
        NodeError: no step can be small or large enough, so that the run would never end; or the levels rise while
            ``eta`` is above 0.
    """
    if order not in {2, 3}:
        raise ValueError(f"order is {order}; it must be 2 or 3.")
    time, end = _ends(sigmas)
    falls = bool(time <= end)
    if eta and not falls:
        raise NodeError("The noise levels rise, and on the way up no noise can be exchanged: set eta to 0.")
    control = _StepSize(h_init if falls else -h_init, pcoeff, icoeff, dcoeff, 1.5 if eta else order, accept_safety)
    previous, step, refused = x, 0, 0
    while time < end - 1e-5 if falls else time > end + 1e-5:
        target = (torch.minimum if falls else torch.maximum)(end, time + control.h)
        if not (time < target if falls else time > target) or refused > MOST_REFUSALS:
            raise NodeError(
                f"The adaptive steps come to no end after {step} of them: none is accepted. Raise rtol or atol, lower "
                "accept_safety or the coefficients, or look whether the model gives numbers at all."
            )
        down, up = _down(time, target, end, eta)
        solver = _Solver(denoise, x, time)
        low = solver.step(down, order - 1, share=1 / 3 if order == 3 else 0.5)
        high = solver.step(down, order)
        allowed = torch.clamp(rtol * torch.maximum(low.abs(), previous.abs()), min=atol)
        error = torch.linalg.norm((low - high) / allowed) / x.numel() ** 0.5
        started = float((-time).exp())
        refused += 1
        if control.accepts(float(error)):
            previous, refused = low, 0
            x = high + noise(started, float((-target).exp())) * (s_noise * up) if up > 0 else high
            time = target
        callback(step, x, started, solver.denoised)
        step += 1
    return x


class _Solver:
    """Steps from one sample; evaluations that two orders share are made once. Times are -log(sigma)."""

    def __init__(self, denoise: Denoiser, x: Tensor, time: Tensor) -> None:
        self._denoise, self._x, self._time = denoise, x, time
        self._ahead: dict[float, Tensor] = {}
        self.denoised = denoise(x, (-time).exp())
        self._epsilon = (x - self.denoised) / (-time).exp()

    def step(self, target: Tensor, order: int, share: float | None = None) -> Tensor:
        """The sample at ``target``; the second order evaluates at ``share`` of the way (half, if not given)."""
        h = target - self._time
        result = self._x - (-target).exp() * torch.expm1(h) * self._epsilon
        if order == 1:
            return result
        if order == 2:
            share = share or 0.5
            slope = self._difference(h, share)
            return result - (-target).exp() / (2 * share) * torch.expm1(h) * slope
        slope = self._difference(h, 2 / 3, through=1 / 3)
        return result - (-target).exp() / (2 / 3) * (torch.expm1(h) / h - 1) * slope

    def _difference(self, h: Tensor, share: float, through: float | None = None) -> Tensor:
        """How the noise estimate at ``share`` of the way differs from that at the start.

        The way there is of first order, or of second order ``through`` another share.
        """
        if share not in self._ahead:
            way = share * h
            sigma = (-(self._time + way)).exp()
            ahead = self._x - sigma * torch.expm1(way) * self._epsilon
            if through is not None:
                gain = sigma * (share / through) * (torch.expm1(way) / way - 1)
                ahead = ahead - gain * self._difference(h, through)
            self._ahead[share] = (ahead - self._denoise(ahead, sigma)) / sigma - self._epsilon
        return self._ahead[share]


@dataclass
class _StepSize:
    """Proposes step sizes from the errors of the last three steps (Söderlind 2003, table 1)."""

    h: float
    pcoeff: float
    icoeff: float
    dcoeff: float
    order: float
    accept_safety: float
    _inverse_errors: list[float] = field(default_factory=list)

    def accepts(self, error: float) -> bool:
        """Whether a step with this error stands; sets the next step's size."""
        inverse = 1 / (error + 1e-8)
        past = self._inverse_errors[:2] or [inverse, inverse]
        powers = (
            (self.pcoeff + self.icoeff + self.dcoeff) / self.order,
            -(self.pcoeff + 2 * self.dcoeff) / self.order,
            self.dcoeff / self.order,
        )
        factor = math.prod(value**power for value, power in zip((inverse, *past), powers, strict=True))
        factor = 1 + math.atan(factor - 1)
        accepted = factor >= self.accept_safety
        self._inverse_errors = [inverse, past[0]] if accepted else past
        self.h *= factor
        return accepted


def _ends(sigmas: Tensor) -> tuple[Tensor, Tensor]:
    last = sigmas[-1] if sigmas[-1] > 0 else sigmas[-2]
    return -sigmas[0].log(), -last.log()


def _down(time: Tensor, target: Tensor, end: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """(time to step to, noise to add there) so that the level is that of ``target``."""
    if eta == 0:
        return target, torch.zeros_like(target)
    down, _ = ancestral_step((-time).exp(), (-target).exp(), eta)
    reached = torch.minimum(end, -down.log())
    return reached, ((-target).exp() ** 2 - (-reached).exp() ** 2).sqrt()
