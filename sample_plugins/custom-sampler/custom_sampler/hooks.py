"""What the pack brings. The functions import torch when they are first called, so that lists of samplers stay quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdk import SamplerRecord, SchedulerRecord, hookimpl


def _ralston(*arguments: Any, **options: Any) -> Any:
    from custom_sampler.samplers import sample_ralston

    return sample_ralston(*arguments, **options)


def _adams_bashforth(*arguments: Any, **options: Any) -> Any:
    from custom_sampler.samplers import sample_adams_bashforth

    return sample_adams_bashforth(*arguments, **options)


def _raised_cosine(parametrisation: Any, steps: int) -> Any:
    from custom_sampler.schedules import raised_cosine

    return raised_cosine(parametrisation.sigma_min, parametrisation.sigma_max, steps)


@hookimpl
def register_samplers() -> Sequence[SamplerRecord]:
    return [
        SamplerRecord(name="ralston", function=_ralston),
        SamplerRecord(name="adams_bashforth_2", function=_adams_bashforth),
    ]


@hookimpl
def register_schedulers() -> Sequence[SchedulerRecord]:
    return [SchedulerRecord(name="raised_cosine", function=_raised_cosine)]
