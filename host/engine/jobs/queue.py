"""The queue: one worker thread that runs one stored job after the other, each of which can be cancelled alone."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from host.engine.cancellation import Cancellation
from host.engine.jobs.errors import JobError, JobStoreError, QueueClosed, UnknownJob
from host.engine.jobs.records import Job, JobOutcome, JobState, QueueListing, only_secrets, without_secrets
from sdk.errors import Cancelled

if TYPE_CHECKING:
    from host.engine.jobs.store import JobStore

logger = logging.getLogger(__name__)

_SHUTDOWN = "the host shuts down"
_RETRY_SECONDS = 1.0

Observer = Callable[[Job], None]
"""Called with a job whenever its state changed, after that was stored, on the thread that changed it."""


class Execute(Protocol):
    """Runs a job and says how it went; called on the queue's worker thread.

    ``job.extra_data`` holds the credentials, too. An exception makes the job fail (``Cancelled``: cancels it), and
    the worker goes on with the next one.
    """

    def __call__(self, job: Job, cancel: Cancellation) -> JobOutcome: ...


class JobQueue:
    """Owns the worker thread, the running job's cancel token and the credentials of waiting jobs.

    One lock guards these three and the order of claims and cancellations; ``execute`` and observers run outside it.

    Args:
        store: where the jobs are; the caller closes it after the queue.
        execute: runs one job.
        observers: told of every change of a job's state.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        store: JobStore,
        execute: Execute,
        *,
        observers: Iterable[Observer] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._execute, self._observers, self._clock = store, execute, tuple(observers), clock
        self._changed = threading.Condition()
        self._running: tuple[Job, Cancellation] | None = None
        self._secrets: dict[str, dict[str, Any]] = {}
        self._unstored: dict[str, JobError] = {}
        self._paused = self._closed = False
        self._worker: threading.Thread | None = None

    def start(self, *, requeue_interrupted: bool = False) -> list[Job]:
        """Begin to work; gives the jobs that an earlier process left running, interrupted or queued again.

        Raises:
            StoreOwned: another process works on these jobs.
        """
        self._store.own()
        lost = self._store.recover(self._clock())
        if requeue_interrupted:
            lost = [self._store.requeue(job.id) for job in lost]
        self._tell(lost)
        self._worker = threading.Thread(target=self._work, name="job-queue", daemon=True)
        self._worker.start()
        return lost

    def close(self, timeout: float | None = None) -> bool:
        """Stop: the running job is asked to stop and becomes interrupted, waiting ones stay queued for the next start.

        False if the worker did not stop within ``timeout`` seconds.
        """
        with self._changed:
            self._closed = True
            if self._running is not None:
                self._running[1].cancel(_SHUTDOWN)
            self._changed.notify_all()
        if self._worker is None:
            return True
        self._worker.join(timeout)
        return not self._worker.is_alive()

    def pause(self) -> None:
        """Start no further job; the running one goes on."""
        self._set_paused(True)

    def resume(self) -> None:
        """Start jobs again."""
        self._set_paused(False)

    # -- adding and cancelling

    def add(
        self,
        prompt: Mapping[str, Any],
        *,
        job_id: str | None = None,
        number: float | None = None,
        front: bool = False,
        client_id: str | None = None,
        extra_data: Mapping[str, Any] | None = None,
        outputs: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> Job:
        """The queued job, or the earlier one of the same idempotency key.

        Without a ``number`` the queue's counter gives it; ``front`` negates the counter's, not a given one. The
        client's id is copied into the extra data, where clients look for it.

        Raises:
            QueueClosed, InvalidJob, DuplicateJob, IdempotencyConflict, JobStoreError.
        """
        extra = {**(extra_data or {}), **({} if client_id is None else {"client_id": client_id})}
        new = Job(
            id=str(uuid.uuid4()) if job_id is None else job_id,
            prompt=prompt,
            number=0 if number is None else number,
            client_id=client_id,
            extra_data=extra,
            outputs=tuple(outputs),
            idempotency_key=idempotency_key,
            created=self._clock(),
        )
        with self._changed:
            if self._closed:
                raise QueueClosed
            if number is None and not (idempotency_key and self._store.find_by_key(idempotency_key)):
                taken = self._store.take_number()
                new = replace(new, number=-taken if front else taken)
            job, is_new = self._store.add(new)
            if is_new:
                self._secrets[job.id] = only_secrets(extra)
        if is_new:
            self._tell([job])
        return job

    def cancel(self, job_id: str, reason: str = "cancelled by the user") -> bool:
        """Cancel this job alone, whether it waits or runs; False if it does neither."""
        with self._changed:
            if self._running is not None and self._running[0].id == job_id:
                return self._running[1].cancel(reason)
            withdrawn = self._withdraw([job_id])
        self._tell(withdrawn)
        return bool(withdrawn)

    def interrupt(self, job_id: str | None = None) -> bool:
        """Cancel the running job (if it is this one); False if there is none. Waiting jobs are left alone."""
        with self._changed:
            if self._running is None or job_id not in (None, self._running[0].id):
                return False
            return self._running[1].cancel()

    def delete(self, ids: Iterable[str]) -> list[Job]:
        """The waiting jobs of these ids, now cancelled; running and unknown ones are left alone."""
        with self._changed:
            withdrawn = self._withdraw(ids)
        self._tell(withdrawn)
        return withdrawn

    def clear(self) -> list[Job]:
        """All waiting jobs, now cancelled."""
        with self._changed:
            withdrawn = self._withdraw(None)
        self._tell(withdrawn)
        return withdrawn

    def requeue(self, job_id: str) -> Job:
        """The interrupted job, waiting again; raises UnknownJob and IllegalTransition."""
        job = self._store.requeue(job_id)
        self._tell([job])
        return job

    # -- looking

    def listing(self) -> QueueListing:
        """What runs and what waits."""
        with self._changed:
            running = [] if self._running is None else [self._running[0].queue_item()]
            return QueueListing(running, [job.queue_item() for job in self._store.pending()])

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it has ended.

        Raises:
            UnknownJob: no job has that id.
            TimeoutError: it did not end within ``timeout`` seconds.
            JobError: it ended, but that could not be stored.
        """
        with self._changed:
            ended = self._changed.wait_for(lambda: self._ended(job_id), timeout)
        job = self._store.find(job_id)
        if job is None:
            raise UnknownJob(job_id)
        if not ended:
            raise TimeoutError(f"job {job_id!r} is still {job.state.value} after {timeout} s; wait longer or cancel it")
        return job

    # -- the worker

    def _work(self) -> None:
        while (claimed := self._next()) is not None:
            job, cancel = claimed
            self._tell([replace(job, extra_data=without_secrets(job.extra_data))])
            outcome = self._outcome(job, cancel)
            ended = self._store_end(job, outcome)
            with self._changed:
                self._running = None
            self._tell([] if ended is None else [ended])

    def _next(self) -> tuple[Job, Cancellation] | None:
        with self._changed:
            while not self._closed:
                if self._paused:
                    self._changed.wait()
                elif (job := self._claim()) is not None:
                    secrets = self._secrets.pop(job.id, {})
                    self._running = (replace(job, extra_data={**job.extra_data, **secrets}), Cancellation())
                    return self._running
            return None

    def _claim(self) -> Job | None:
        """The next job, after waiting once if there is none or the store can't be used."""
        try:
            job = self._store.claim(self._clock())
        except JobStoreError as error:
            logger.error("no job can be started: %s", error)
            self._changed.wait(_RETRY_SECONDS)
            return None
        if job is None:
            self._changed.wait()
        return job

    def _outcome(self, job: Job, cancel: Cancellation) -> JobOutcome:
        outcomes: list[JobOutcome] = []
        error = _attempt(lambda: outcomes.append(self._execute(job, cancel)))
        if cancel.reason == _SHUTDOWN and (error is not None or outcomes[0].state is not JobState.SUCCEEDED):
            return JobOutcome(state=JobState.INTERRUPTED, error="The host was shut down while the job ran.")
        if error is None:
            return outcomes[0]
        if isinstance(error, Cancelled):
            return JobOutcome(state=JobState.CANCELLED, error=error.reason)
        logger.error("job %s failed", job.id, exc_info=error)
        return JobOutcome(state=JobState.FAILED, error=f"{type(error).__name__}: {error}")

    def _store_end(self, job: Job, outcome: JobOutcome) -> Job | None:
        """The ended job as stored: as failed if its outcome can't be stored; None if not even that can."""
        try:
            return self._store.end(job.id, outcome, self._clock())
        except JobError as error:
            logger.error("the outcome of job %s can't be stored: %s", job.id, error)
            lost = JobOutcome(state=JobState.FAILED, error=f"The job ran, but its outcome was lost: {error}")
        try:
            return self._store.end(job.id, lost, self._clock())
        except JobError as error:
            with self._changed:
                self._unstored[job.id] = error
            return None

    # -- with the lock held, or apart from it

    def _withdraw(self, ids: Iterable[str] | None) -> list[Job]:
        withdrawn = self._store.withdraw(self._clock(), ids)
        for job in withdrawn:
            self._secrets.pop(job.id, None)
        return withdrawn

    def _ended(self, job_id: str) -> bool:
        if job_id in self._unstored:
            raise self._unstored[job_id]
        if self._running is not None and self._running[0].id == job_id:
            return False
        job = self._store.find(job_id)
        return job is None or job.state.ended

    def _set_paused(self, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            self._changed.notify_all()

    def _tell(self, changed: Iterable[Job]) -> None:
        for job in changed:
            for observer in self._observers:
                error = _attempt(partial(observer, job))
                if error is not None:
                    logger.error("an observer of job %s failed", job.id, exc_info=error)
        with self._changed:
            self._changed.notify_all()


def _attempt(action: Callable[[], None]) -> BaseException | None:
    """Do it; gives what it raised."""
    try:
        action()
    except BaseException as error:  # noqa: BLE001  running a job: whatever a pack raises, the worker goes on
        return error
    return None
