"""The built-in samplers and schedules, as a plugin."""

from __future__ import annotations

from collections.abc import Iterable

from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from sdk import SamplerRecord, SchedulerRecord, hookimpl


@hookimpl
def register_samplers() -> Iterable[SamplerRecord]:
    return SAMPLERS


@hookimpl
def register_schedulers() -> Iterable[SchedulerRecord]:
    return SCHEDULERS
