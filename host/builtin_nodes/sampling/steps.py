"""From a schedule to the levels a sampler really gets: partial denoising, dropped and trimmed steps."""

from __future__ import annotations

import torch
from torch import Tensor

from host.builtin_nodes.sampling.parametrisation import Parametrisation
from sdk.sampling import Sampler, Scheduler

_WHOLE_RUN = 0.9999


def sampling_sigmas(
    parametrisation: Parametrisation, sampler: Sampler, scheduler: Scheduler, steps: int, denoise: float = 1.0
) -> Tensor:
    """Levels of a run with ``sampler``, [steps + 1] float32; empty for ``denoise`` 0.

    With ``denoise`` d below 1 they are the last ``steps`` steps of a run of ``steps / d``.
    """
    if denoise <= 0:
        return parametrisation.sigmas.new_empty(0)
    total = steps if denoise > _WHOLE_RUN else int(steps / denoise)
    sigmas: Tensor = scheduler.function(parametrisation, total + sampler.drops_penultimate)
    if sampler.drops_penultimate:
        sigmas = drop_penultimate(sigmas)
    return sigmas if denoise > _WHOLE_RUN else sigmas[-(steps + 1) :]


def scheduled_sigmas(
    parametrisation: Parametrisation, scheduler: Scheduler, steps: int, denoise: float = 1.0
) -> Tensor:
    """Levels for any sampler: the last ``steps`` steps of a run of ``steps / denoise``; empty for ``denoise`` 0."""
    if denoise <= 0:
        return parametrisation.sigmas.new_empty(0)
    total = steps if denoise >= 1 else int(steps / denoise)
    sigmas: Tensor = scheduler.function(parametrisation, total)
    return sigmas[-(steps + 1) :]


def drop_penultimate(sigmas: Tensor) -> Tensor:
    """The schedule without its last level above 0, for samplers that would waste a step on it."""
    return torch.cat([sigmas[:-2], sigmas[-1:]])


def trim(sigmas: Tensor, start: int | None, end: int | None, *, leftover_noise: bool = False) -> Tensor:
    """Steps ``start`` to ``end`` of a schedule; unless noise is to be left over, a cut end goes down to 0.

    Empty when nothing is left to do.
    """
    if end is not None and end < len(sigmas) - 1:
        sigmas = sigmas[: end + 1].clone()
        if not leftover_noise:
            sigmas[-1] = 0
    if start is None:
        return sigmas
    return sigmas[start:] if start < len(sigmas) - 1 else sigmas[:0]
