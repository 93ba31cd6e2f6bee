"""Everything a run touches besides its prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.engine.caching.cache import ResultCache
from host.engine.events import Event
from host.engine.observers import Observers
from host.engine.services import NodeServices

if TYPE_CHECKING:
    from sdk.context import CancelToken


@dataclass(frozen=True, kw_only=True)
class Environment:
    """All that a run touches besides its prompt.

    Attributes:
        states: the nodes' own states by node id and class; the run adds to it.
        averages: seconds per call by class, of thread-safe nodes; the run updates it.
        now: milliseconds since the epoch.
        timer: seconds, for durations.
    """

    job_id: str
    extra_data: Mapping[str, Any]
    cache: ResultCache
    services: NodeServices
    observers: Observers
    cancel: CancelToken
    emit: Callable[[Event], None]
    states: dict[tuple[str, str], Any]
    averages: dict[str, float]
    workers: int
    now: Callable[[], int]
    timer: Callable[[], float]
