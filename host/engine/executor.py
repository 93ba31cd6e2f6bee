"""Runs validated prompts, one at a time, and keeps what outlives a run: the cache and the nodes' own states."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Protocol

from host.engine.caching.cache import ResultCache
from host.engine.environment import Environment
from host.engine.events import Event, Events, JobStarted, JobSucceeded, NodesCached
from host.engine.observers import Observers
from host.engine.outcome import Outcome, RunState
from host.engine.run import Run, RunStopped
from host.engine.services import NodeServices, NoServices
from host.engine.validation.prompt import Validated
from sdk.context import CancelToken

WORKERS = 4
"""Threads for nodes that may overlap with others."""


class RunnableJob(Protocol):
    """What the executor looks at of a job; hooks get the job itself."""

    @property
    def id(self) -> str: ...
    @property
    def extra_data(self) -> Mapping[str, Any]: ...


class Executor:
    """Runs prompts against one cache.

    ``run`` may be called from any thread that runs no event loop; a second call waits for the first.

    Args:
        cache: where results stay between prompts.
        hooks: a pluggy manager's ``hook``, or None for no observers.
        services: what nodes get through their context.
        workers: threads for nodes that may overlap.
        clock: seconds since the epoch, for events.
        timer: seconds on a clock that never jumps, for durations.
    """

    def __init__(
        self,
        cache: ResultCache,
        hooks: Any = None,
        services: NodeServices | None = None,
        *,
        workers: int = WORKERS,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.cache = cache
        self._hooks = hooks
        self._services = services or NoServices()
        self._workers, self._clock, self._timer = workers, clock, timer
        self._states: dict[tuple[str, str], Any] = {}
        self._averages: dict[str, float] = {}
        self._lock = Lock()

    def run(self, job: RunnableJob, validated: Validated, events: Events, cancel: CancelToken) -> Outcome:
        """Run the outputs of a prompt that validated, and say how it went.

        Never raises for what a node does: the outcome tells. Hooks that raise make the node fail they were called
        for; those called for the job are logged.
        """
        with self._lock:
            return self._run(job, validated, events, cancel)

    def _run(self, job: RunnableJob, validated: Validated, events: Events, cancel: CancelToken) -> Outcome:
        began = self._timer()
        observers = Observers(self._hooks, job)
        world = Environment(
            job_id=job.id,
            extra_data=job.extra_data,
            cache=self.cache,
            services=self._services,
            observers=observers,
            cancel=cancel,
            emit=_Serial(events).emit,
            states=self._states,
            averages=self._averages,
            workers=self._workers,
            now=lambda: int(self._clock() * 1000),
            timer=self._timer,
        )
        world.emit(JobStarted(job.id, world.now()))
        observers.before_job()
        run = Run(validated, world)
        state, failure = RunState.SUCCEEDED, None
        try:
            cached = run.prepare()
            world.emit(NodesCached(job.id, cached, world.now()))
            run.work()
            world.emit(JobSucceeded(job.id, world.now()))
        except RunStopped as stop:
            state, failure = stop.state, stop.failure
        finally:
            run.close()
            self._states = {key: value for key, value in self._states.items() if run.holds(*key)}
        seconds = self._timer() - began
        outcome = Outcome(state, run.ui, failure, len(run.executed), len(run.cached), seconds)
        observers.after_job(outcome)
        return outcome


class _Serial:
    """Hands events on one at a time, from whichever thread they come."""

    def __init__(self, events: Events) -> None:
        self._sink = events.emit
        self._lock = Lock()

    def emit(self, event: Event) -> None:
        with self._lock:
            self._sink(event)
