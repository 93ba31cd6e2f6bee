"""What a sampler gets: a denoiser, a source of noise, and somebody to tell about each step.

A sampler is ``sample_x(denoise, x, sigmas, *, noise, callback, **options) -> Tensor`` with ``x`` noised to
``sigmas[0]`` and the falling levels ``sigmas`` on the CPU; it gives the sample at ``sigmas[-1]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from torch import Tensor

from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.rules import Guidance

Callback = Callable[[int, Tensor, float, Tensor], None]
"""Called once a step with (index, x, sigma, denoised), in model space; what it raises ends the run."""


class Denoiser(Protocol):
    """A guided model. ``sigma`` is one level for the whole batch: a number, a scalar tensor, or [batch]."""

    @property
    def parametrisation(self) -> Parametrisation: ...

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """The guided estimate of the clean latent."""

    def pair(self, x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
        """The guided estimate, and the estimate for the negative prompt alone."""


class Guided(Denoiser, Protocol):
    """A denoiser that knows what nodes have asked of the model's guidance."""

    @property
    def guidance(self) -> Guidance: ...


class StepNoise(Protocol):
    """Unit noise for the way between two levels."""

    def __call__(self, sigma: float, sigma_next: float) -> Tensor: ...


@runtime_checkable
class ForesightedNoise(StepNoise, Protocol):
    """Noise that is drawn sooner when it is known what it will be asked for."""

    def foresee(self, ways: Iterable[tuple[float, float]]) -> None:
        """Take note of the ways between two levels that will be asked for, in order."""

    def close(self) -> None:
        """Do no more for ways that were foreseen."""
