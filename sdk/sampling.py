"""Records of sampling algorithms and noise schedules, as packs register them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """A sampling algorithm.

    Attributes:
        name: as users pick it.
        function: ``function(denoise, x, sigmas, *, noise, callback, **options) -> Tensor``;
            ``denoise(x, sigma)`` estimates the clean latent, ``noise`` draws per-step noise and
            ``callback(step, x, sigma, denoised)`` is called once a step.
        drops_penultimate: takes a schedule one step longer whose last but one level is left out.
        traits: further facts by name, for the code that runs samplers.
    """

    name: str
    function: Callable[..., Any]
    drops_penultimate: bool = False
    traits: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """A noise schedule: ``function(parametrisation, steps) -> Tensor [steps + 1]``, falling, float32."""

    name: str
    function: Callable[[Any, int], Any]
