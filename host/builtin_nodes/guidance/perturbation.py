"""Guidance away from what a weakened network predicts."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.rules import NetworkPatches, PatchCall, Step

MIDDLE = ("middle", 0)
"""The UNet's block at the lowest resolution."""

_BLUR_SIZE = 9
_SALIENT = 1.0
"""Attention that a cell gets in sum, above which it is blurred; on average cells get 1."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of a run, as shares of it, 0 its start and 1 its end."""

    start: float
    end: float

    def __call__(self, sigma: float, parametrisation: Parametrisation) -> bool:
        """Whether a level lies in it, ends included."""
        return parametrisation.percent_to_sigma(self.end) <= sigma <= parametrisation.percent_to_sigma(self.start)


@dataclass(frozen=True)
class PerturbedAttention:
    """Away from a network whose middle attention looks at each cell alone (Ahn et al. 2024, eq. 16)."""

    scale: float

    def __call__(self, step: Step, denoised: Tensor) -> Tensor:
        if self.scale == 0:
            return denoised
        perturbed = step.predict("positive", patches=NetworkPatches(self_attention={MIDDLE: _identity_attention}))
        return denoised + (step.positive - perturbed) * self.scale


def _identity_attention(q: Tensor, k: Tensor, v: Tensor, call: PatchCall) -> Tensor:
    return v


@dataclass(frozen=True)
class SkipLayers:
    """Away from a transformer that leaves some blocks out, in a stretch of the run (SD3.5's skip-layer guidance).

    ``rescale`` blends in a result brought back to the spread of the positive estimate.
    """

    skipped: frozenset[tuple[str, int]]
    scale: float
    stretch: Stretch
    rescale: float = 0.0

    def __call__(self, step: Step, denoised: Tensor) -> Tensor:
        if self.scale <= 0 or not self.stretch(step.sigma, step.parametrisation):
            return denoised
        weakened = step.predict("positive", patches=NetworkPatches(skipped=self.skipped))
        guided = denoised + (step.positive - weakened) * self.scale
        if self.rescale == 0:
            return guided
        return guided * (self.rescale * (step.positive.std() / guided.std()) + (1 - self.rescale))


@dataclass(frozen=True)
class SkipNegativeLayers:
    """The blocks left out while the negative side is predicted, in a stretch of the run."""

    skipped: frozenset[tuple[str, int]]
    stretch: Stretch

    def __call__(self, sigma: float, parametrisation: Parametrisation) -> NetworkPatches | None:
        return NetworkPatches(skipped=self.skipped) if self.stretch(sigma, parametrisation) else None


@dataclass(frozen=True, eq=False)
class SelfAttentionGuidance:
    """Away from a blur of what the network attends to most (Hong et al. 2023, algorithm 1).

    It needs ``record`` as the network's middle self-attention.
    """

    scale: float
    blur_sigma: float
    _seen: list[Tensor] = field(default_factory=list, init=False)

    def record(self, q: Tensor, k: Tensor, v: Tensor, call: PatchCall) -> Tensor:
        """Self-attention that remembers how much attention each token of the negative side got."""
        query, key, value = (_split(tensor, call.heads) for tensor in (q, k, v))
        weights = (query.float() @ key.float().transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)
        if "negative" in call.sides:
            batch = len(q) // len(call.sides)
            first = call.sides.index("negative") * batch
            self._seen[:] = [weights[first : first + batch].mean(1).sum(1)]
        return (weights.to(value) @ value).transpose(1, 2).flatten(2)

    def __call__(self, step: Step, denoised: Tensor) -> Tensor:
        if min(denoised.shape[2:]) <= _BLUR_SIZE // 2 or not self._seen:
            return denoised  # too small to be blurred
        blurred = _blur_salient(step.negative, self._seen[0], self.blur_sigma)
        degraded = step.predict("negative", x=blurred + step.x - step.negative)
        return denoised + (blurred - degraded) * self.scale


def _split(tensor: Tensor, heads: int) -> Tensor:
    return tensor.unflatten(-1, (heads, -1)).transpose(1, 2)


def _blur_salient(latent: Tensor, attention: Tensor, sigma: float) -> Tensor:
    height, width = latent.shape[-2:]
    rows = _rows(attention.shape[-1], height / width)
    salient = (attention > _SALIENT).to(latent).reshape(len(latent), 1, rows, -1)
    salient = torch.nn.functional.interpolate(salient, (height, width))
    return _blur(latent, sigma) * salient + latent * (1 - salient)


def _rows(tokens: int, aspect: float) -> int:
    """The divisor of the number of tokens that is next to what the latent's proportions say."""
    wanted = round(math.sqrt(aspect * tokens))
    divisors = (number for number in range(1, tokens + 1) if tokens % number == 0)
    return min(divisors, key=lambda number: (abs(number - wanted), -number))


def _blur(latent: Tensor, sigma: float) -> Tensor:
    reach = _BLUR_SIZE // 2
    offsets = torch.arange(-reach, reach + 1, device=latent.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / max(sigma, 1e-6)) ** 2)
    weights = (weights / weights.sum()).to(latent)
    channels = latent.shape[1]
    kernel = (weights[:, None] * weights[None]).expand(channels, 1, -1, -1)
    padded = torch.nn.functional.pad(latent, [reach] * 4, mode="reflect")
    return torch.nn.functional.conv2d(padded, kernel, groups=channels)
