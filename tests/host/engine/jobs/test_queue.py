"""One worker, many jobs: order, cancelling exactly one, and going on whatever happens."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.engine.cancellation import Cancellation
from host.engine.jobs.errors import (
    DuplicateJob,
    IdempotencyConflict,
    InvalidJob,
    JobStoreError,
    QueueClosed,
    StoreOwned,
    UnknownJob,
)
from host.engine.jobs.queue import JobQueue
from host.engine.jobs.records import Job, JobOutcome, JobState
from host.engine.jobs.store import JobStore
from sdk.errors import Cancelled

PATIENCE = 20.0


def succeed(job: Job, cancel: Cancellation) -> JobOutcome:
    return JobOutcome(state=JobState.SUCCEEDED, results={"1": {"text": [job.id]}})


class Gate:
    """An ``execute`` that holds every job until it is let go or cancelled."""

    def __init__(self) -> None:
        self.seen: list[Job] = []
        self.reached = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, job: Job, cancel: Cancellation) -> JobOutcome:
        self.seen.append(job)
        self.reached.release()
        while not self.open.wait(0.005):
            cancel.raise_if_cancelled()
        return succeed(job, cancel)

    def wait_for_job(self) -> None:
        assert self.reached.acquire(timeout=PATIENCE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with JobStore(tmp_path / "jobs.sqlite") as opened:
        yield opened


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def queue(store: JobStore, gate: Gate) -> Iterator[JobQueue]:
    made = JobQueue(store, gate)
    made.start()
    yield made
    assert made.close(PATIENCE)


@pytest.fixture
def held(queue: JobQueue, gate: Gate) -> Job:
    """A job that runs and waits at the gate."""
    job = queue.add({}, job_id="held")
    gate.wait_for_job()
    return job


def pending(queue: JobQueue) -> list[str]:
    return [item[1] for item in queue.listing().pending]


def test_a_job_runs_and_its_outcome_is_kept(queue: JobQueue, gate: Gate, store: JobStore) -> None:
    gate.open.set()
    ended = queue.wait(queue.add({"1": {}}, outputs=["1"]).id, PATIENCE)
    assert ended.state is JobState.SUCCEEDED
    assert ended.outcome == JobOutcome(state=JobState.SUCCEEDED, results={"1": {"text": [ended.id]}})
    assert store.history() == [ended]


def test_numbers_come_from_a_counter_and_front_negates_it(queue: JobQueue, held: Job) -> None:
    numbers = [
        queue.add({}).number,
        queue.add({}, front=True).number,
        queue.add({}, number=5.5, front=True).number,
        queue.add({}).number,
    ]
    assert [held.number, *numbers] == [0, 1, -2, 5.5, 3]
    assert [item[0] for item in queue.listing().pending] == [-2, 1, 3, 5.5]


def test_jobs_run_in_the_order_of_their_numbers(queue: JobQueue, gate: Gate, held: Job) -> None:
    for name, number in (("late", 9), ("first", -1), ("second", -1), ("middle", 4.5)):
        queue.add({}, job_id=name, number=number)
    gate.open.set()
    queue.wait("late", PATIENCE)
    assert [job.id for job in gate.seen] == ["held", "first", "second", "middle", "late"]


def test_the_listing_has_five_values_and_the_client_but_no_credentials(queue: JobQueue, gate: Gate) -> None:
    extra = {"extra_pnginfo": {"workflow": {}}, "auth_token_comfy_org": "secret"}
    for name in ("a", "b"):
        queue.add({"2": {}}, job_id=name, client_id="me", extra_data=extra, outputs=["2"])
    gate.wait_for_job()
    shown = {"extra_pnginfo": {"workflow": {}}, "client_id": "me"}
    assert queue.listing().running == [(0, "a", {"2": {}}, shown, ["2"])]
    assert queue.listing().pending == [(1, "b", {"2": {}}, shown, ["2"])]
    assert queue.listing().remaining == 2


def test_the_run_gets_the_credentials(queue: JobQueue, gate: Gate) -> None:
    queue.add({}, extra_data={"api_key_comfy_org": "secret"})
    gate.wait_for_job()
    assert gate.seen[0].extra_data == {"api_key_comfy_org": "secret"}


def test_cancelling_the_running_job_spares_the_waiting_ones(queue: JobQueue, gate: Gate, held: Job) -> None:
    queue.add({}, job_id="next")
    assert queue.cancel("held", "changed my mind")
    ended = queue.wait("held", PATIENCE)
    assert ended.state is JobState.CANCELLED
    assert ended.outcome is not None
    assert ended.outcome.error == "changed my mind"
    gate.open.set()
    assert queue.wait("next", PATIENCE).state is JobState.SUCCEEDED


def test_cancelling_a_waiting_job_spares_the_running_one(queue: JobQueue, gate: Gate, held: Job) -> None:
    for name in ("a", "b"):
        queue.add({}, job_id=name)
    assert queue.cancel("a")
    assert queue.wait("a", PATIENCE).state is JobState.CANCELLED
    gate.open.set()
    assert queue.wait("b", PATIENCE).state is JobState.SUCCEEDED
    assert queue.wait("held", PATIENCE).state is JobState.SUCCEEDED
    assert [job.id for job in gate.seen] == ["held", "b"]


def test_cancelling_what_has_ended_or_never_was_does_nothing(queue: JobQueue, gate: Gate) -> None:
    gate.open.set()
    queue.wait(queue.add({}, job_id="a").id, PATIENCE)
    assert not queue.cancel("a")
    assert not queue.cancel("nobody")
    assert not queue.interrupt()


def test_an_interrupt_reaches_the_running_job_only(queue: JobQueue, held: Job) -> None:
    queue.pause()
    queue.add({}, job_id="a")
    assert not queue.interrupt("a")
    assert queue.interrupt()
    assert queue.wait("held", PATIENCE).state is JobState.CANCELLED
    assert pending(queue) == ["a"]


def test_deleting_and_clearing_take_waiting_jobs_only(queue: JobQueue, held: Job) -> None:
    for name in ("a", "b", "c"):
        queue.add({}, job_id=name)
    assert [job.id for job in queue.delete(["b", "held", "nobody"])] == ["b"]
    assert pending(queue) == ["a", "c"]
    assert [job.id for job in queue.clear()] == ["a", "c"]
    assert [item[1] for item in queue.listing().running] == ["held"]


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3), RecursionError("deep"), GeneratorExit()])
def test_the_worker_goes_on_after_any_exception(store: JobStore, error: BaseException) -> None:
    def execute(job: Job, cancel: Cancellation) -> JobOutcome:
        if job.id == "bad":
            raise error
        return succeed(job, cancel)

    queue = JobQueue(store, execute)
    queue.start()
    queue.add({}, job_id="bad")
    queue.add({}, job_id="good")
    assert queue.wait("good", PATIENCE).state is JobState.SUCCEEDED
    failed = queue.wait("bad", PATIENCE)
    assert failed.state is JobState.FAILED
    assert failed.outcome is not None
    assert failed.outcome.error == f"{type(error).__name__}: {error}"
    assert queue.close(PATIENCE)


def test_observers_hear_every_change_after_it_was_stored(store: JobStore) -> None:
    heard: list[tuple[str, str, str]] = []

    def observe(job: Job) -> None:
        stored = store.find(job.id)
        assert stored is not None
        heard.append((job.id, job.state.value, stored.state.value))

    def broken(job: Job) -> None:
        raise RuntimeError("an observer")

    queue = JobQueue(store, succeed, observers=[broken, observe])
    queue.add({}, job_id="a")
    queue.add({}, job_id="b")
    queue.delete(["b"])
    queue.start()
    queue.wait("a", PATIENCE)
    assert queue.close(PATIENCE)
    assert heard == [
        ("a", "queued", "queued"),
        ("b", "queued", "queued"),
        ("b", "cancelled", "cancelled"),
        ("a", "running", "running"),
        ("a", "succeeded", "succeeded"),
    ]


def test_nothing_starts_while_paused(queue: JobQueue, gate: Gate) -> None:
    queue.pause()
    gate.open.set()
    queue.add({}, job_id="a")
    with pytest.raises(TimeoutError, match="'a' is still queued"):
        queue.wait("a", 0.05)
    queue.resume()
    assert queue.wait("a", PATIENCE).state is JobState.SUCCEEDED


def test_closing_interrupts_the_running_job_and_keeps_the_waiting_ones(store: JobStore, gate: Gate) -> None:
    queue = JobQueue(store, gate)
    queue.start()
    queue.add({}, job_id="running")
    gate.wait_for_job()
    queue.add({}, job_id="waiting")
    assert queue.close(PATIENCE)
    assert [job.state for job in store.history()] == [JobState.INTERRUPTED]
    with pytest.raises(QueueClosed):
        queue.add({})
    restarted = JobQueue(store, succeed)
    assert restarted.start() == []
    restarted.requeue("running")
    assert restarted.wait("running", PATIENCE).attempts == 2
    assert restarted.wait("waiting", PATIENCE).state is JobState.SUCCEEDED
    assert restarted.close(PATIENCE)


@pytest.mark.parametrize(("requeue", "state"), [(False, JobState.INTERRUPTED), (True, JobState.SUCCEEDED)])
def test_a_start_recovers_what_a_dead_process_left(store: JobStore, requeue: bool, state: JobState) -> None:
    store.add(Job(id="lost", prompt={}))
    store.claim(1.0)
    queue = JobQueue(store, succeed)
    assert [job.id for job in queue.start(requeue_interrupted=requeue)] == ["lost"]
    assert queue.wait("lost", PATIENCE).state is state
    assert queue.close(PATIENCE)


def test_close_says_when_a_job_does_not_stop(store: JobStore) -> None:
    reached, release = threading.Event(), threading.Event()

    def deaf(job: Job, cancel: Cancellation) -> JobOutcome:
        reached.set()
        assert release.wait(PATIENCE)
        return succeed(job, cancel)

    queue = JobQueue(store, deaf)
    queue.start()
    queue.add({}, job_id="a")
    assert reached.wait(PATIENCE)
    assert not queue.close(0.01)
    release.set()
    assert queue.close(PATIENCE)
    assert [job.state for job in store.history()] == [JobState.SUCCEEDED]


def test_the_same_key_runs_once(queue: JobQueue, gate: Gate, held: Job) -> None:
    first = queue.add({"1": {}}, idempotency_key="k", job_id="x")
    assert queue.add({"1": {}}, idempotency_key="k", job_id="x") == first
    with pytest.raises(IdempotencyConflict):
        queue.add({"2": {}}, idempotency_key="k")
    assert queue.add({}).number == first.number + 1
    gate.open.set()
    assert queue.wait("x", PATIENCE).attempts == 1


def test_a_job_that_makes_no_sense_is_refused(queue: JobQueue, held: Job) -> None:
    with pytest.raises(DuplicateJob):
        queue.add({}, job_id="held")
    with pytest.raises(InvalidJob):
        queue.add({}, number=float("nan"))
    with pytest.raises(UnknownJob):
        queue.wait("nobody", PATIENCE)
    assert pending(queue) == []


def test_an_outcome_that_can_not_be_stored_is_never_announced_as_success(store: JobStore) -> None:
    heard: list[tuple[str, JobState]] = []

    def execute(job: Job, cancel: Cancellation) -> JobOutcome:
        return JobOutcome(state=JobState.SUCCEEDED, results={"1": {"text": [object()]}})

    queue = JobQueue(store, execute, observers=[lambda job: heard.append((job.id, job.state))])
    queue.start()
    ended = queue.wait(queue.add({}, job_id="a").id, PATIENCE)
    assert queue.close(PATIENCE)
    assert ended.state is JobState.FAILED
    assert ended.outcome is not None
    assert "its outcome was lost" in (ended.outcome.error or "")
    assert [state for _, state in heard] == [JobState.QUEUED, JobState.RUNNING, JobState.FAILED]


def test_a_store_that_fails_for_good_wakes_who_waits(tmp_path: Path) -> None:
    class Failing(JobStore):
        """Its disk is gone once a job runs."""

        def end(self, job_id: str, outcome: JobOutcome, now: float) -> Job:
            raise JobStoreError(self.path, "the disk is gone")

    with Failing(tmp_path / "jobs.sqlite") as store:
        queue = JobQueue(store, succeed)
        queue.start()
        with pytest.raises(JobStoreError, match="the disk is gone"):
            queue.wait(queue.add({}).id, PATIENCE)
        assert queue.listing().running == []
        assert queue.close(PATIENCE)


@pytest.fixture
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("quick_switches")
def test_jobs_added_and_cancelled_from_many_threads_all_end(store: JobStore) -> None:
    def execute(job: Job, cancel: Cancellation) -> JobOutcome:
        if cancel.cancelled:
            raise Cancelled
        return succeed(job, cancel)

    queue = JobQueue(store, execute)
    queue.start()

    def client(name: str) -> Callable[[], None]:
        def act() -> None:
            for index in range(8):
                job = queue.add({}, job_id=f"{name}{index}", front=bool(index % 2))
                if index % 3 == 0:
                    queue.cancel(job.id)

        return act

    clients = [threading.Thread(target=client(name)) for name in "abcd"]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    states = [queue.wait(f"{name}{index}", PATIENCE).state for name in "abcd" for index in range(8)]
    assert queue.close(PATIENCE)
    assert set(states) <= {JobState.SUCCEEDED, JobState.CANCELLED}
    assert queue.listing().remaining == 0


def test_the_worker_goes_on_after_a_job_that_can_not_be_read(store: JobStore) -> None:
    for name in ("broken", "sound"):
        store.add(Job(id=name, prompt={}))
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE jobs SET prompt = '{' WHERE id = 'broken'")
    connection.close()
    queue = JobQueue(store, succeed)
    queue.start()
    assert queue.wait("sound", PATIENCE).state is JobState.SUCCEEDED
    assert queue.wait("broken", PATIENCE).state is JobState.FAILED
    assert queue.close(PATIENCE)


def test_two_queues_never_work_on_one_store(store: JobStore) -> None:
    queue = JobQueue(store, succeed)
    queue.start()
    with JobStore(store.path) as other, pytest.raises(StoreOwned):
        JobQueue(other, succeed).start()
    assert queue.close(PATIENCE)
