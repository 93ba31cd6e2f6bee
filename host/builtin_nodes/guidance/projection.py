"""Rules that look at the direction of guidance: what of it to keep, and what to leave out."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from host.builtin_nodes.sampling.entries import Conditioning
from host.builtin_nodes.sampling.guidance import perpendicular_negative
from host.builtin_nodes.sampling.rules import Step


@dataclass(frozen=True, eq=False)
class Apg:
    """Adaptive projected guidance (Sadat et al. 2024, algorithm 1).

    ``eta`` weighs the part of the guidance along the positive estimate, ``norm_threshold`` bounds its length (0: no
    bound), ``momentum`` of earlier guidance is added; a rising level starts a new run. At cfg 1, where the negative
    side isn't evaluated, the guidance is the positive estimate itself.
    """

    eta: float
    norm_threshold: float
    momentum: float

    def __call__(self, step: Step) -> Step:
        guidance = self._averaged(step, step.positive - step.negative)
        axes = (-1, -2, -3)
        if self.norm_threshold > 0:
            length = guidance.norm(p=2, dim=axes, keepdim=True)
            guidance = guidance * (self.norm_threshold / length).clamp(max=1.0)
        direction = torch.nn.functional.normalize(step.positive, dim=axes)  # type: ignore[arg-type]
        along = (guidance * direction).sum(dim=axes, keepdim=True) * direction
        adjusted = guidance - along + self.eta * along
        return replace(step, positive=step.negative + adjusted + (step.positive - step.negative) / step.cfg)

    def _averaged(self, step: Step, guidance: Tensor) -> Tensor:
        sigma, average = step.memory.get(self, (step.sigma, None))
        if self.momentum and average is not None and step.sigma <= sigma:
            guidance = self.momentum * average + guidance
        step.memory[self] = (step.sigma, guidance)
        return guidance


@dataclass(frozen=True)
class TangentialDamping:
    """Of the negative score, only what lies along the common direction of both (TCFG; Kwon et al. 2025)."""

    def __call__(self, step: Step) -> Step:
        if not step.has_negative:
            return step
        positive, negative = ((step.x - side).flatten(1)[:, None].float() for side in (step.positive, step.negative))
        *_, directions = torch.linalg.svd(torch.cat([negative, positive], dim=1), full_matrices=False)
        common = directions[:, :1]
        damped = (negative @ common.transpose(-2, -1)) * common
        return replace(step, negative=step.x - damped.reshape(step.x.shape).to(step.x))


@dataclass(frozen=True)
class FrequencyScaling:
    """Guidance whose low and high frequencies count differently (FreSca; Huang et al. 2025, section 3.3).

    ``cutoff`` is the highest low frequency, in cycles over the latent.
    """

    low: float
    high: float
    cutoff: int

    def __call__(self, step: Step) -> Step:
        if not step.has_negative:
            return step
        return replace(step, positive=self._filtered(step.positive - step.negative) + step.negative)

    def _filtered(self, guidance: Tensor) -> Tensor:
        axes = (-2, -1)
        spectrum = torch.fft.fftshift(torch.fft.fftn(guidance.float(), dim=axes), dim=axes)
        gains = torch.full_like(spectrum.real, self.high)
        box = []
        for side in gains.shape[2:]:
            reach = min(self.cutoff, side // 2)
            box.append(slice(side // 2 - reach, side // 2 + reach))
        gains[(..., *box)] = self.low
        filtered = torch.fft.ifftn(torch.fft.ifftshift(spectrum * gains, dim=axes), dim=axes)
        return filtered.real.to(guidance)


@dataclass(frozen=True)
class LatentOperationGuidance:
    """An operation on latents applied to the guidance: at cfg 1, that is the positive estimate itself.

    Where both sides are measured against an empty prompt, there is no such difference, and it is applied to the
    positive estimate.
    """

    operation: Callable[..., Tensor]

    def __call__(self, step: Step) -> Step:
        if step.has_empty:
            return replace(step, positive=self.operation(latent=step.positive))
        return replace(step, positive=self.operation(latent=step.positive - step.negative) + step.negative)


@dataclass(frozen=True, eq=False)
class PerpNeg:
    """Perp-Neg as a formula, with an evaluation of its own for the empty prompt; see ``PerpNegDenoiser``."""

    empty: Conditioning
    neg_scale: float

    def __call__(self, step: Step) -> Tensor:
        return perpendicular_negative(step, step.predict(self.empty), self.neg_scale)

    def prepared(self, prepare: Callable[[Conditioning], Conditioning]) -> PerpNeg:
        """See ``rules.PromptedFormula``."""
        return replace(self, empty=prepare(self.empty))
