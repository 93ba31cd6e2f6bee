"""A job as frozen data, and which states may follow which. Pure: no database, no clock, no threads.

    queued ──► running ──► succeeded | failed | cancelled
      │           └──────► interrupted ──► queued
      └──────► cancelled

``interrupted`` is a job whose process ended under it; it can be queued again, every other end is final.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from host.engine.jobs.errors import IllegalTransition, InvalidJob

SECRET_EXTRA_DATA = frozenset({"auth_token_comfy_org", "api_key_comfy_org"})
"""Keys of ``extra_data`` that are credentials: handed to the run, never stored or listed."""

QueueItem = tuple[float, str, Mapping[str, Any], Mapping[str, Any], Sequence[str]]
"""``(number, prompt id, prompt, extra data, outputs to execute)``, as clients of /queue and /history read it."""


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens unless somebody queues the job again."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


ENDED_STATES = frozenset(state for state in JobState if state.ended)

_FOLLOWING: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED}),
    JobState.INTERRUPTED: frozenset({JobState.QUEUED}),
}


def may_follow(state: JobState, following: JobState) -> bool:
    """Whether a job in ``state`` may go on to ``following``."""
    return following in _FOLLOWING.get(state, frozenset())


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """What running a job gave. Everything is stored as JSON.

    Attributes:
        state: succeeded, failed, cancelled or interrupted.
        results: what each output node shows, by node id: ``{"9": {"images": […]}}``.
        meta: further facts by node id, as /history shows them.
        messages: ``(name, data)`` of the status messages worth keeping, in order.
        error: one or two sentences for the user; None unless it failed.

    Raises:
        InvalidJob: the state is not one in which a run can end.
    """

    state: JobState
    results: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[tuple[str, Mapping[str, Any]]] = ()
    error: str | None = None

    def __post_init__(self) -> None:
        if not may_follow(JobState.RUNNING, self.state):
            raise InvalidJob("(outcome)", f"no run ends as {self.state.value!r}", "Use an ended state")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One prompt on its way through the queue. Times are seconds since 1970, UTC.

    Attributes:
        id: the prompt id that clients know; any text that is not empty.
        prompt: the graph in API format, with coerced values.
        number: priority; the lowest runs first, equal ones in the order of their arrival.
        outputs: ids of the output nodes to execute.
        idempotency_key: a second job with the same key is the first one over again.
        attempts: how many times it was started.
        outcome: what the run gave; None until it ended, and for jobs cancelled before they started.

    Raises:
        InvalidJob: the id is empty, a name is no valid Unicode, or the number is NaN or infinite.
    """

    id: str
    prompt: Mapping[str, Any]
    number: float = 0
    client_id: str | None = None
    extra_data: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    idempotency_key: str | None = None
    state: JobState = JobState.QUEUED
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    outcome: JobOutcome | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidJob(self.id, "its id is empty", "Give it one, or leave it out to get one")
        if not abs(self.number) <= sys.float_info.max:
            raise InvalidJob(self.id, "its number is not a finite one", "Give a finite number, or none")
        for name in ("id", "client_id", "idempotency_key"):
            if not _is_unicode(getattr(self, name) or ""):
                raise InvalidJob(self.id, f"its {name} holds half a surrogate pair", "Give valid Unicode text")

    @property
    def seconds(self) -> float | None:
        """How long it ran; None unless it both started and ended."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    def start(self, now: float) -> Job:
        """The job as it begins to run."""
        running = self._moved(JobState.RUNNING)
        return replace(running, started=now, ended=None, outcome=None, attempts=self.attempts + 1)

    def end(self, outcome: JobOutcome, now: float) -> Job:
        """The job as its run ends."""
        return replace(self._moved(outcome.state), ended=now, outcome=outcome)

    def withdraw(self, now: float) -> Job:
        """The job as it is cancelled before it ran."""
        if self.state is not JobState.QUEUED:
            raise IllegalTransition(self.id, self.state.value, JobState.CANCELLED.value)
        return replace(self._moved(JobState.CANCELLED), ended=now)

    def requeue(self) -> Job:
        """The interrupted job as it waits for another run; number and arrival stay as they were."""
        return replace(self._moved(JobState.QUEUED), started=None, ended=None, outcome=None)

    def queue_item(self) -> QueueItem:
        """The five values that clients read, without credentials."""
        return (self.number, self.id, self.prompt, without_secrets(self.extra_data), list(self.outputs))

    def _moved(self, following: JobState) -> Job:
        if not may_follow(self.state, following):
            raise IllegalTransition(self.id, self.state.value, following.value)
        return replace(self, state=following)


@dataclass(frozen=True)
class QueueListing:
    """What /queue shows: at most one running item, and the pending ones in the order in which they will run."""

    running: list[QueueItem]
    pending: list[QueueItem]

    @property
    def remaining(self) -> int:
        """How many jobs are not done."""
        return len(self.running) + len(self.pending)


def without_secrets(extra_data: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the extra data that leaves out credentials."""
    return {key: value for key, value in extra_data.items() if key not in SECRET_EXTRA_DATA}


def only_secrets(extra_data: Mapping[str, Any]) -> dict[str, Any]:
    """The credentials among the extra data."""
    return {key: value for key, value in extra_data.items() if key in SECRET_EXTRA_DATA}


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
