"""From prompts to one ``denoise``: guidance over a model's predictions.

The rules that nodes have added to a model (``rules.Guidance``) are applied around each of the formulas here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.sampling.batching import DenoisingModel, predict_sides
from host.builtin_nodes.sampling.entries import Conditioning, Entry, place_entries, refuse_unsupported
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.rules import NO_PATCHES, PLAIN, Guidance, NetworkPatches, Step

__all__ = [
    "CfgDenoiser",
    "Conditioning",
    "DenoisingModel",
    "DualCfgDenoiser",
    "Entry",
    "PerpNegDenoiser",
    "classifier_free",
    "perpendicular_negative",
]


class Predictor:
    """The predictions of one run's sides; it remembers where the entries lie in latents of each shape."""

    def __init__(self, model: DenoisingModel, sides: Mapping[str, Conditioning], guidance: Guidance) -> None:
        self._model, self._sides, self._guidance = model, sides, guidance
        self._placed: dict[torch.Size, dict[str, list[Entry]]] = {}

    def sides(
        self, x: Tensor, sigma: float | Tensor, wanted: Collection[str], patches: NetworkPatches = NO_PATCHES
    ) -> dict[str, Tensor]:
        """The estimates of the wanted sides; zeros for the others."""
        if x.shape not in self._placed:
            self._placed[x.shape] = place_entries(self._sides, x, self._model.parametrisation)
        # Negative first is the order in which conditional networks are usually batched.
        placed = {side: entries for side, entries in reversed(self._placed[x.shape].items()) if side in wanted}
        found = predict_sides(self._model, x, sigma, placed, self._guidance.patches + patches)
        return {side: found[side] if side in found else torch.zeros_like(x) for side in self._sides}

    def other(self, conditioning: Conditioning, x: Tensor, sigma: float | Tensor, patches: NetworkPatches) -> Tensor:
        """The estimate for conditioning that is no side of the run."""
        placed = place_entries({"negative": conditioning}, x, self._model.parametrisation)
        return predict_sides(self._model, x, sigma, placed, self._guidance.patches + patches)["negative"]


class _Guided(ABC):
    """What every kind of guidance has: a model, the rules of its nodes, and a memory for them that lasts one run."""

    model: DenoisingModel
    guidance: Guidance

    @property
    def parametrisation(self) -> Parametrisation:
        return self.model.parametrisation

    def __post_init__(self) -> None:
        refuse_unsupported(self._sides())

    @cached_property
    def predictor(self) -> Predictor:
        return Predictor(self.model, self._sides(), self.guidance)

    @cached_property
    def memory(self) -> dict[object, Any]:
        return {}

    @abstractmethod
    def _sides(self) -> Mapping[str, Conditioning]:
        """The conditioning of each side of the run, by the side's name."""

    def _step(
        self,
        x: Tensor,
        sigma: float | Tensor,
        cfg: float,
        estimates: tuple[Tensor, Tensor],
        *,
        names: tuple[str, str] = ("positive", "negative"),
        has_negative: bool = True,
    ) -> Step:
        sides = dict(zip(("positive", "negative"), names, strict=True))

        def predict(side: str | Any, *, x: Tensor = x, patches: NetworkPatches = NO_PATCHES) -> Tensor:
            if isinstance(side, str):
                return self.predictor.sides(x, sigma, {sides[side]}, patches)[sides[side]]
            return self.predictor.other(side, x, sigma, patches)

        return Step(
            x=x,
            sigma=_number(sigma),
            cfg=cfg,
            positive=estimates[0],
            negative=estimates[1],
            has_negative=has_negative,
            predict=predict,
            memory=self.memory,
            parametrisation=self.parametrisation,
        )

    def _before(self, step: Step) -> Step:
        for rule in self.guidance.before:
            step = rule(step)
        return step

    def _after(self, step: Step, denoised: Tensor) -> Tensor:
        for rule in self.guidance.after:
            denoised = rule(step, denoised)
        return denoised

    def _combined(self, step: Step) -> Tensor:
        formula = self.guidance.formula or classifier_free
        return self._after(step, formula(step))


@dataclass(frozen=True, eq=False)
class CfgDenoiser(_Guided):
    """Classifier-free guidance: negative + cfg * (positive - negative) (Ho & Salimans 2022, eq. 6).

    At cfg 1 the negative side isn't evaluated, unless ``pair`` or a rule asks for it. A side with no entries
    predicts 0.
    """

    model: DenoisingModel
    positive: Conditioning
    negative: Conditioning
    cfg: float
    guidance: Guidance = PLAIN

    def _sides(self) -> Mapping[str, Conditioning]:
        return {"positive": self.positive, "negative": self.negative}

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        needed = self.guidance.needs_negative or not math.isclose(self.cfg, 1.0)
        return self._guide(x, sigma, needed)[0]

    def pair(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        return self._guide(x, sigma, True)

    def _guide(self, x: Tensor, sigma: float | Tensor, needs_negative: bool) -> tuple[Tensor, Tensor]:
        found = self._predictions(x, sigma, needs_negative)
        if not needs_negative and self.guidance == PLAIN:
            return found["positive"], found["negative"]
        estimates = (found["positive"], found["negative"])
        step = self._before(self._step(x, sigma, self.cfg, estimates, has_negative=needs_negative))
        return self._combined(step), step.negative

    def _predictions(self, x: Tensor, sigma: float | Tensor, needs_negative: bool) -> dict[str, Tensor]:
        rule = self.guidance.negative_patches
        patches = rule(_number(sigma), self.parametrisation) if rule and needs_negative else None
        if patches is None:
            return self.predictor.sides(x, sigma, ("positive", "negative") if needs_negative else ("positive",))
        positive = self.predictor.sides(x, sigma, ("positive",))["positive"]
        return {"positive": positive, "negative": self.predictor.sides(x, sigma, ("negative",), patches)["negative"]}


@dataclass(frozen=True, eq=False)
class DualCfgDenoiser(_Guided):
    """Guidance by two prompts, for models that are told of a text and an image (Brooks et al. 2023, eq. 3).

    ``cfg`` weighs positive against middle, ``cfg_middle`` middle against negative. ``nested`` pushes the outcome of
    the first away from negative; otherwise the two differences add up, and sides that can't matter aren't evaluated.
    """

    model: DenoisingModel
    positive: Conditioning
    middle: Conditioning
    negative: Conditioning
    cfg: float
    cfg_middle: float
    nested: bool = False
    guidance: Guidance = PLAIN

    def _sides(self) -> Mapping[str, Conditioning]:
        return {"positive": self.positive, "middle": self.middle, "negative": self.negative}

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self._guide(x, sigma, self._wanted())[0]

    def pair(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        return self._guide(x, sigma, ("positive", "middle", "negative"))

    def _wanted(self) -> tuple[str, ...]:
        if self.nested or self.guidance.needs_negative or not math.isclose(self.cfg_middle, 1.0):
            return ("positive", "middle", "negative")
        return ("positive",) if math.isclose(self.cfg, 1.0) else ("positive", "middle")

    def _guide(self, x: Tensor, sigma: float | Tensor, wanted: Sequence[str]) -> tuple[Tensor, Tensor]:
        found = self.predictor.sides(x, sigma, wanted)
        positive, middle, negative = (found[side] for side in ("positive", "middle", "negative"))
        if self.nested:
            step = self._step(x, sigma, self.cfg, (positive, middle), names=("positive", "middle"))
            return negative + self.cfg_middle * (self._combined(step) - negative), middle
        step = self._step(x, sigma, self.cfg_middle, (middle, negative), names=("middle", "negative"))
        return self._combined(step) + (positive - middle) * self.cfg, negative


@dataclass(frozen=True, eq=False)
class PerpNegDenoiser(_Guided):
    """Perp-Neg: of the negative prompt, only what is perpendicular to the positive one (Armandpour et al. 2023).

    ``empty`` is the prompt that both are measured against; ``neg_scale`` weighs the negative one.
    """

    model: DenoisingModel
    positive: Conditioning
    negative: Conditioning
    empty: Conditioning
    cfg: float
    neg_scale: float
    guidance: Guidance = PLAIN

    def _sides(self) -> Mapping[str, Conditioning]:
        return {"positive": self.positive, "empty": self.empty, "negative": self.negative}

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        if self.guidance.needs_negative or not math.isclose(self.neg_scale, 0.0):
            return self.pair(x, sigma)[0]
        return self._guide(x, sigma, ("positive",) if math.isclose(self.cfg, 1.0) else ("positive", "empty"))[0]

    def pair(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        return self._guide(x, sigma, ("positive", "negative", "empty"))

    def _guide(self, x: Tensor, sigma: float | Tensor, wanted: Sequence[str]) -> tuple[Tensor, Tensor]:
        found = self.predictor.sides(x, sigma, wanted)
        estimates = (found["positive"], found["negative"])
        asked = self._step(x, sigma, self.cfg, estimates, has_negative="negative" in wanted)
        step = self._before(replace(asked, has_empty=True))
        denoised = perpendicular_negative(step, found["empty"], self.neg_scale)
        return self._after(step, denoised), step.negative


def classifier_free(step: Step) -> Tensor:
    """negative + cfg * (positive - negative) (Ho & Salimans 2022, eq. 6)."""
    return step.negative + step.cfg * (step.positive - step.negative)


def perpendicular_negative(step: Step, empty: Tensor, neg_scale: float) -> Tensor:
    """The combined estimate of Perp-Neg (Armandpour et al. 2023, eq. 6), with ``empty`` the unconditional one."""
    positive, negative = step.positive - empty, step.negative - empty
    perpendicular = negative - (negative * positive).sum() / positive.norm() ** 2 * positive
    return empty + step.cfg * (positive - perpendicular * neg_scale)


def _number(sigma: float | Tensor) -> float:
    return float(torch.as_tensor(sigma).flatten()[0])
