"""Takes prompts, has them run one after the other, and tells clients what becomes of them."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from host.api.preview_sender import PreviewSender
from host.api.sockets import Sockets
from host.api.transcript import Transcript
from host.api.webhooks.sending import KEY as WEBHOOK
from host.engine.cancellation import Cancellation
from host.engine.events import JobEnded
from host.engine.jobs.queue import JobQueue, Observer
from host.engine.jobs.records import Job, JobOutcome, JobState, QueueListing
from host.engine.jobs.submission import Submission
from host.engine.messages import Message, Messages, status
from host.engine.validation.prompt import Validated
from host.errors import PromptRejected
from host.rejections import explained, unsaid_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from host.app import Host
    from host.engine.jobs.store import JobStore

logger = logging.getLogger(__name__)

UNFINISHED = (JobState.QUEUED, JobState.RUNNING)
FAULTS = "comfy-nodes.faults"
"""A message with ``lines`` about a prompt; ``editor_scripts/faults.js`` shows them."""
_PAGE = 256


@dataclass(frozen=True)
class Accepted:
    """A prompt that was taken; ``node_errors`` are the faults of outputs that were left out."""

    job: Job
    node_errors: Mapping[str, Any]


class JobService:
    """The jobs of one server. Safe between threads; one lock guards the plans, the count and what is to be freed.

    Args:
        store: where jobs are kept; the caller closes it after ``close``.
        sockets: who hears of the jobs.
        observers: told of every change of a job's state, after the clients.
        check_webhook: raises for an address that nothing would be sent to.
    """

    def __init__(
        self,
        host: Host,
        store: JobStore,
        sockets: Sockets,
        observers: Iterable[Observer] = (),
        check_webhook: Callable[[str], object] = str,
    ) -> None:
        self._check_webhook = check_webhook
        self._host, self._store, self._sockets = host, store, sockets
        self._queue = JobQueue(store, self._execute, observers=[self._changed, *observers])
        self._preview_sender = PreviewSender(sockets)
        self._lock = threading.Lock()
        self._plans: dict[str, Validated] = {}
        self._transcript: tuple[str | None, Transcript] | None = None
        self._busy, self._unload, self._forget = False, False, False
        self.remaining = store.count(UNFINISHED)

    def start(self, *, requeue: bool = False) -> None:
        """Begin to work; jobs that were left running by an earlier process are interrupted, or queued again."""
        lost = self._queue.start(requeue_interrupted=requeue)
        for job in lost:
            logger.warning("job %s was running when the host ended; it is %s now", job.id, job.state.value)

    def close(self, timeout: float | None = None) -> bool:
        """Stop working; False if the running node did not let go within ``timeout`` seconds."""
        stopped = self._queue.close(timeout)
        self._preview_sender.close()
        return stopped

    # -- adding

    def submit(self, said: Submission, idempotency_key: str | None = None) -> Accepted:
        """The job that will run a prompt; the earlier one, if this idempotency key was used before.

        Raises:
            PromptRejected: nothing of it can run.
            JobError: it can't be queued.
            BadWebhook: nothing would be sent to its webhook.
        """
        extra_data = said.extra_data
        if (url := said.webhook or extra_data.get(WEBHOOK)) is not None:
            self._check_webhook(str(url))
            extra_data = {**extra_data, WEBHOOK: str(url)}
        plan = self._host.validate(said.prompt, said.targets)
        self._say_what_is_unsaid(plan, said.client_id)
        _check_runs(plan)
        job_id = str(uuid.uuid4()) if said.prompt_id is None else said.prompt_id
        with self._lock:
            new = job_id not in self._plans
            self._plans.setdefault(job_id, plan)
        job = None
        try:
            job = self._queue.add(
                plan.prompt,
                job_id=job_id,
                number=said.number,
                front=said.front,
                client_id=said.client_id,
                extra_data=extra_data,
                outputs=plan.outputs,
                idempotency_key=idempotency_key,
            )
        finally:
            if new and (job is None or job.id != job_id):
                self._forget_plan(job_id)
        return Accepted(job, plan.node_errors)

    def _say_what_is_unsaid(self, plan: Validated, client_id: str | None) -> None:
        """Tell the client in words of faults that the answers of ComfyUI's web API have none for."""
        lines = unsaid_lines(plan.node_errors, plan.cycle, plan.prompt, plan.schemas)
        for line in lines:
            logger.warning("a prompt was refused: %s", line)
        if lines and client_id is not None:
            self._sockets.send(Message(FAULTS, {"lines": lines}, client_id))

    # -- ending

    def interrupt(self, job_id: str | None = None) -> bool:
        """Cancel the running job, if it is this one; waiting ones are left alone."""
        return self._queue.interrupt(job_id)

    def cancel(self, job_id: str) -> bool:
        """Cancel exactly this job, waiting or running; False if it is neither."""
        return self._queue.cancel(job_id)

    def delete_waiting(self, ids: list[str]) -> None:
        """Cancel the waiting jobs of these ids."""
        self._queue.delete(ids)

    def clear_waiting(self) -> None:
        """Cancel all waiting jobs."""
        self._queue.clear()

    def requeue(self, job_id: str) -> Job:
        """An interrupted job, queued again; raises UnknownJob and IllegalTransition."""
        return self._queue.requeue(job_id)

    def delete_history(self, ids: list[str] | None = None) -> None:
        """Forget the ended jobs of these ids, or all."""
        self._store.delete_history(ids)

    def free(self, *, unload_models: bool, forget_results: bool) -> None:
        """Give memory back: now, or as soon as the running job has ended."""
        with self._lock:
            self._unload |= unload_models
            self._forget |= forget_results
            if not self._busy:
                self._free_now()

    # -- looking

    def listing(self) -> QueueListing:
        """What runs and what waits."""
        return self._queue.listing()

    def find(self, job_id: str) -> Job | None:
        """The job of that id, or None."""
        return self._store.find(job_id)

    def wait(self, job_id: str, timeout: float) -> Job:
        """The job once it has ended; raises UnknownJob, TimeoutError and JobError."""
        return self._queue.wait(job_id, timeout)

    def in_states(self, states: tuple[JobState, ...], limit: int | None, offset: int) -> tuple[list[Job], int]:
        """Jobs in these states, the newest first, and how many there are in all."""
        return self._store.in_states(states, limit=limit, offset=offset), self._store.count(states)

    def history(self, max_items: int | None = None, offset: int | None = None) -> list[Job]:
        """Ended jobs that did run, the first to end first: the last ``max_items``, or those from ``offset`` on."""
        if max_items == 0:
            return []
        if offset is None and max_items is not None:
            return self._last(max_items)
        found = [job for number, job in enumerate(self._ran()) if number >= (offset or 0)]
        return found if max_items is None else found[:max_items]

    def node_under_way(self, client_id: str) -> str | None:
        """The node that runs for this client now."""
        with self._lock:
            if self._transcript is None or self._transcript[0] != client_id:
                return None
            return self._transcript[1].node

    def _last(self, max_items: int) -> list[Job]:
        asked = max_items
        while True:
            newest = self._store.history(asked)
            ran = [job for job in newest if job.started is not None]
            if len(ran) >= max_items or len(newest) < asked:
                return ran[-max_items:]
            asked *= 2

    def _ran(self) -> Iterator[Job]:
        start = 0
        while page := self._store.history(_PAGE, start):
            yield from (job for job in page if job.started is not None)
            start += len(page)

    # -- on the queue's worker thread

    def _execute(self, job: Job, cancel: Cancellation) -> JobOutcome:
        transcript = Transcript(job.client_id, self._sockets, self._host.previews(job), self._preview_sender)
        with self._lock:
            self._transcript, self._busy = (job.client_id, transcript), True
        try:
            outcome, _ = self._host.perform(job, self._plan(job), transcript, cancel)
        finally:
            transcript.close()
            with self._lock:
                self._transcript, self._busy = None, False
                self._free_now()
        return replace(outcome, messages=tuple(transcript.recorded))

    def _plan(self, job: Job) -> Validated:
        """What was found when the job came in; found again for a job of an earlier process.

        Raises:
            PromptRejected: it can't run any more; a pack or a file may be gone.
        """
        with self._lock:
            plan = self._plans.pop(job.id, None)
        if plan is not None and plan.prompt == job.prompt and plan.outputs == job.outputs:
            return plan
        plan = self._host.validate(job.prompt, job.outputs)
        _check_runs(plan)
        return plan

    def _free_now(self) -> None:
        """With the lock held."""
        if self._unload or self._forget:
            self._host.free(unload_models=self._unload, forget_results=self._forget)
        self._unload = self._forget = False

    # -- on the thread that changed a job

    def _changed(self, job: Job) -> None:
        with self._lock:
            self.remaining = self._store.count(UNFINISHED)
            self._sockets.send(status(self.remaining))
        if not job.state.ended:
            return
        self._forget_plan(job.id)
        if job.started is not None:
            for message in Messages(job.client_id).delivered(JobEnded(job.id)):
                self._sockets.send(message)

    def _forget_plan(self, job_id: str) -> None:
        with self._lock:
            self._plans.pop(job_id, None)


def _check_runs(plan: Validated) -> None:
    """Raise PromptRejected, with every fault in words, if nothing of a prompt can run."""
    if plan.error is not None:
        rejected = PromptRejected(plan.error, plan.node_errors, plan.cycle)
        raise explained(rejected, plan.prompt, plan.schemas)
