"""Guided evaluations with random estimates, for rules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.rules import NO_PATCHES, NetworkPatches, Step


class Asked:
    """Answers a rule's further evaluations with one estimate, and notes what they were about."""

    def __init__(self, answer: Tensor) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, Tensor | None, NetworkPatches]] = []

    def __call__(self, side: Any, *, x: Tensor | None = None, patches: NetworkPatches = NO_PATCHES) -> Tensor:
        self.calls.append((side, x, patches))
        return self.answer


def random_latents(count: int, shape: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def step(shape: tuple[int, ...] = (2, 4, 9, 7), *, seed: int = 0, **given: Any) -> Step:
    """A step at sigma 3 and cfg 5 on a model of Stable Diffusion's levels, unless ``given`` says otherwise."""
    x, positive, negative, answer = random_latents(4, shape, seed)
    facts: dict[str, Any] = {
        "x": x * 3.0,
        "sigma": 3.0,
        "cfg": 5.0,
        "positive": positive,
        "negative": negative,
        "has_negative": True,
        "predict": Asked(answer),
        "memory": {},
        "parametrisation": kinds.discrete(),
    }
    return Step(**{**facts, **given})
