"""From prompts to one ``denoise``: classifier-free guidance over a model's predictions.

Conditioning is a list of ``[tensor, options]`` pairs; each entry is one prediction, and the predictions of a side are
averaged by their ``strength``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from host.builtin_nodes.sampling.errors import UnsupportedConditioning
from host.builtin_nodes.sampling.parametrisation import Parametrisation

Conditioning = Sequence[Sequence[Any]]
Side = Literal["positive", "negative"]

_SHAPING_OPTIONS = frozenset(
    {"area", "mask", "mask_strength", "control", "control_apply_to_uncond", "gligen", "hooks", "default"}
)


@dataclass(frozen=True, eq=False)
class Entry:
    """One conditioning entry as a model gets it: the prompt's tensor, further options, and the side it is on."""

    tensor: Tensor
    options: Mapping[str, Any]
    side: Side


class DenoisingModel(Protocol):
    """A network together with how it sees noise."""

    @property
    def parametrisation(self) -> Parametrisation: ...

    @property
    def device(self) -> torch.device: ...

    def predict(self, x: Tensor, sigma: Tensor, entries: Sequence[Entry]) -> Tensor:
        """Estimates of the clean latent, in one evaluation of the network.

        ``x`` is [entries * batch, ...]: all of the first entry's batch, then the second's; ``sigma`` [entries * batch].
        """


@dataclass(frozen=True, eq=False)
class CfgDenoiser:
    """Classifier-free guidance: negative + cfg * (positive - negative) (Ho & Salimans 2022, eq. 6).

    At cfg 1 the negative side isn't evaluated, unless ``pair`` asks for it. A side with no entries predicts 0.
    """

    model: DenoisingModel
    positive: Conditioning
    negative: Conditioning
    cfg: float

    def __post_init__(self) -> None:
        _refuse_unsupported([*self.positive, *self.negative])

    @property
    def parametrisation(self) -> Parametrisation:
        return self.model.parametrisation

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        if math.isclose(self.cfg, 1.0):
            return predict_sides(self.model, x, sigma, {"positive": self.positive})["positive"]
        return self.pair(x, sigma)[0]

    def pair(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        # Negative first is the order in which conditional networks are usually batched.
        sides: dict[Side, Conditioning] = {"negative": self.negative, "positive": self.positive}
        predictions = predict_sides(self.model, x, sigma, sides)
        positive, negative = predictions["positive"], predictions["negative"]
        return negative + self.cfg * (positive - negative), negative


def predict_sides(
    model: DenoisingModel, x: Tensor, sigma: float | Tensor, sides: Mapping[Side, Conditioning]
) -> dict[Side, Tensor]:
    """The prediction of each side, with as few evaluations of the network as the entries' shapes allow."""
    level = torch.as_tensor(sigma, dtype=torch.float32, device=x.device).expand(x.shape[0])
    entries = [
        Entry(pair[0], pair[1], side)
        for side, conditioning in sides.items()
        for pair in conditioning
        if _in_time_range(pair[1], float(level[0]), model.parametrisation)
    ]
    sums = {side: torch.zeros_like(x) for side in sides}
    weights = dict.fromkeys(sides, 0.0)
    for group in _batches(entries):
        output = model.predict(torch.cat([x] * len(group)), level.repeat(len(group)), group)
        for entry, prediction in zip(group, output.chunk(len(group)), strict=True):
            strength = entry.options.get("strength", 1.0)
            sums[entry.side] += prediction * strength
            weights[entry.side] += strength
    return {side: sums[side] / weights[side] if weights[side] else sums[side] for side in sides}


def _batches(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries grouped so that each group can share a batch: equal shapes of all their tensors."""
    groups: dict[object, list[Entry]] = {}
    for entry in entries:
        shapes = {name: value.shape for name, value in entry.options.items() if isinstance(value, Tensor)}
        groups.setdefault((entry.tensor.shape, tuple(sorted(shapes.items()))), []).append(entry)
    return list(groups.values())


def _in_time_range(options: Mapping[str, Any], sigma: float, parametrisation: Parametrisation) -> bool:
    start, end = options.get("start_percent"), options.get("end_percent")
    if start is not None and sigma > parametrisation.percent_to_sigma(start):
        return False
    return end is None or sigma >= parametrisation.percent_to_sigma(end)


def _refuse_unsupported(conditioning: Conditioning) -> None:
    if unsupported := {name for _, options in conditioning for name in options if name in _SHAPING_OPTIONS}:
        raise UnsupportedConditioning(unsupported)
