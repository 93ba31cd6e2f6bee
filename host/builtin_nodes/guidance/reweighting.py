"""Rules that change how strongly, and with which spread, the guided estimate departs from the prompts'."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from host.builtin_nodes.sampling.rules import Step


@dataclass(frozen=True)
class RescaleCfg:
    """Guidance in terms of v, brought back to the spread of the positive prediction (Lin et al. 2023, eq. 14-16).

    ``multiplier`` blends between plain guidance (0) and the rescaled one (1).
    """

    multiplier: float

    def __call__(self, step: Step) -> Tensor:
        variance = step.sigma**2 + 1.0
        scaled = step.x / variance

        def velocity(estimate: Tensor) -> Tensor:
            return (scaled - estimate) * variance**0.5 / step.sigma

        positive, negative = velocity(step.positive), velocity(step.negative)
        guided = negative + step.cfg * (positive - negative)
        rescaled = guided * (_spread(positive) / _spread(guided))
        blended = self.multiplier * rescaled + (1.0 - self.multiplier) * guided
        return scaled - blended * step.sigma / variance**0.5


def _spread(value: Tensor) -> Tensor:
    """Over channels and two dimensions, as for pictures: of a video, each column is brought back by itself."""
    return value.std(dim=tuple(range(1, value.ndim))[:3], keepdim=True)


@dataclass(frozen=True)
class CfgNorm:
    """After guidance, no cell's vector is longer than ``strength`` times that of the positive estimate."""

    strength: float

    def __call__(self, step: Step, denoised: Tensor) -> Tensor:
        wanted, found = step.positive.norm(dim=1, keepdim=True), denoised.norm(dim=1, keepdim=True)
        return denoised * (wanted / (found + 1e-8)).clamp(0.0, 1.0) * self.strength


@dataclass(frozen=True)
class CfgZeroStar:
    """The negative estimate scaled to fit the positive one as well as it can (CFG-Zero*; Fan et al. 2025, eq. 7)."""

    def __call__(self, step: Step, denoised: Tensor) -> Tensor:
        positive, negative = ((step.x - side).flatten(1) for side in (step.positive, step.negative))
        fit = (positive * negative).sum(1) / ((negative**2).sum(1) + 1e-8)
        fit = fit.reshape(-1, *[1] * (step.x.ndim - 1))
        return denoised + step.negative * (fit - 1.0) + step.cfg * step.negative * (1.0 - fit)


@dataclass(frozen=True)
class RenormCfg:
    """Guidance whose length is at most ``largest`` times that of the positive estimate (Lumina-Image 2.0).

    Levels of ``truncation`` and above get the positive estimate alone; ``largest`` 0 is no bound.
    """

    truncation: float
    largest: float

    def __call__(self, step: Step) -> Tensor:
        if step.sigma >= float(torch.tensor(self.truncation)):  # in the precision of the levels
            return step.positive
        guided = step.negative + step.cfg * (step.positive - step.negative)
        if self.largest <= 0:
            return guided
        axes = tuple(range(1, guided.ndim))
        allowed = torch.linalg.vector_norm(step.positive, dim=axes, keepdim=True) * self.largest
        found = torch.linalg.vector_norm(guided, dim=axes, keepdim=True)
        return torch.where(found >= allowed, guided * (allowed / found), guided)


@dataclass(frozen=True)
class Mahiro:
    """Guidance blended with the scaled positive estimate, by how alike they point (sign and root of each value)."""

    def __call__(self, step: Step, denoised: Tensor) -> Tensor:
        leap = step.positive * step.cfg
        sideways = _root(step.negative * step.cfg)
        likeness = torch.nn.functional.cosine_similarity(sideways, _root((leap + denoised) / 2)).mean()
        share = 2 * (likeness + 1)
        return (share * denoised + (4 - share) * leap) / 4


def _root(value: Tensor) -> Tensor:
    return value.abs().sqrt() * value.sign()


@dataclass(frozen=True)
class FrameGuidance:
    """A strength of guidance for each frame of a batch: from ``lowest`` rising to cfg, or up and down again."""

    lowest: float
    triangle: bool

    def __call__(self, step: Step) -> Tensor:
        shares = torch.linspace(0.0, 1.0, len(step.x), device=step.x.device)
        if self.triangle:
            shares = 2 * (shares - (shares + 0.5).floor()).abs()
        scale = (self.lowest + shares * (step.cfg - self.lowest)).reshape(-1, *[1] * (step.x.ndim - 1))
        return step.negative + scale * (step.positive - step.negative)


@dataclass(frozen=True)
class EpsilonScaling:
    """The predicted noise divided by ``factor``, against exposure bias (Ning et al. 2023, eq. 10)."""

    factor: float

    def __call__(self, step: Step, denoised: Tensor) -> Tensor:
        return step.x - (step.x - denoised) / (self.factor or 1e-9)
