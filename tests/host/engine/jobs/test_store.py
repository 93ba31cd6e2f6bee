"""What survives a restart, a full disk and a damaged file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.engine.jobs.errors import (
    DuplicateJob,
    IdempotencyConflict,
    IllegalTransition,
    NotJson,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreOwned,
    StoreUnavailable,
    StoreVersion,
    UnknownJob,
    UnreadableJob,
)
from host.engine.jobs.records import Job, JobOutcome, JobState
from host.engine.jobs.store import JobStore

SUCCESS = JobOutcome(
    state=JobState.SUCCEEDED,
    results={"9": {"images": [{"filename": "a_00001_.png", "subfolder": "", "type": "output"}]}},
    meta={"9": {"node_id": "9"}},
    messages=(("execution_start", {"timestamp": 1}), ("execution_success", {"timestamp": 2})),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "jobs.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[JobStore]:
    with JobStore(path) as opened:
        yield opened


def job(name: str, number: float = 0, **more: object) -> Job:
    prompt = {"1": {"class_type": "Load", "inputs": {"seed": 2**64 - 1, "text": "😀 é \ud800"}}}
    return Job(**{"id": name, "prompt": prompt, "number": number, "outputs": ("9", "2"), "created": 5.0, **more})  # type: ignore[arg-type]


def run(store: JobStore, *names: str) -> None:
    for name in names:
        store.add(job(name))
        store.claim(1.0)
        store.end(name, SUCCESS, 2.0)


def ids(found: list[Job]) -> list[str]:
    return [one.id for one in found]


def test_a_job_comes_back_as_it_was_stored(store: JobStore, path: Path) -> None:
    given_job = job("a", 5.5, client_id="me", extra_data={"extra_pnginfo": {"workflow": {"x": None}}})
    assert store.add(given_job) == (given_job, True)
    with JobStore(path) as another:
        assert another.find("a") == given_job
        assert another.find("b") is None


def test_whole_numbers_stay_whole(store: JobStore) -> None:
    store.add(job("a", -2))
    assert repr(store.pending()[0].number) == "-2"


def test_the_outcome_is_stored_with_the_end(store: JobStore, path: Path) -> None:
    run(store, "a")
    with JobStore(path) as another:
        ended = another.find("a")
    assert ended is not None
    assert (ended.state, ended.started, ended.ended, ended.outcome) == (JobState.SUCCEEDED, 1.0, 2.0, SUCCESS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(numbers=st.lists(st.integers(-3, 3) | st.floats(-3, 3), max_size=8))
def test_jobs_run_by_number_and_then_by_arrival(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    with JobStore(tmp_path_factory.mktemp("jobs") / "jobs.sqlite") as store:
        for index, number in enumerate(numbers):
            store.add(job(str(index), number))
        waiting = ids(store.pending())
        claimed = [one.id for one in iter(lambda: store.claim(1.0), None)]
    assert claimed == waiting == [str(i) for i in sorted(range(len(numbers)), key=lambda i: numbers[i])]


def test_no_two_workers_claim_the_same_job(store: JobStore) -> None:
    for index in range(30):
        store.add(job(str(index)))
    claimed: list[str] = []

    def work() -> None:
        while (one := store.claim(1.0)) is not None:
            claimed.append(one.id)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(claimed, key=int) == [str(index) for index in range(30)]


def test_the_counter_goes_on_after_a_restart(store: JobStore, path: Path) -> None:
    assert [store.take_number() for _ in range(3)] == [0, 1, 2]
    with JobStore(path) as another:
        assert another.take_number() == 3


def test_the_same_key_gives_the_first_job(store: JobStore) -> None:
    store.add(job("a", idempotency_key="k"))
    again, is_new = store.add(job("b", idempotency_key="k"))
    assert (again.id, is_new, store.count()) == ("a", False, 1)
    assert store.find_by_key("k") == again
    assert store.find_by_key("other") is None


def test_the_same_key_with_another_prompt_is_a_conflict(store: JobStore) -> None:
    store.add(job("a", idempotency_key="k"))
    with pytest.raises(IdempotencyConflict, match="'k' belongs to job 'a'"):
        store.add(job("b", prompt={}, idempotency_key="k"))


def test_an_id_is_taken_once(store: JobStore) -> None:
    store.add(job("a"))
    with pytest.raises(DuplicateJob, match="'a'"):
        store.add(job("a"))


def test_credentials_are_never_written(store: JobStore, path: Path) -> None:
    store.add(job("a", extra_data={"auth_token_comfy_org": "top-secret-1", "api_key_comfy_org": "top-secret-2"}))
    store.close()
    assert all(b"top-secret" not in file.read_bytes() for file in path.parent.iterdir())


def test_a_lost_run_is_interrupted_and_can_be_queued_again(store: JobStore, path: Path) -> None:
    for name in ("a", "b"):
        store.add(job(name))
    store.claim(1.0)
    with JobStore(path) as restarted:
        assert [(one.id, one.state) for one in restarted.recover(7.0)] == [("a", JobState.INTERRUPTED)]
        assert restarted.recover(8.0) == []
        assert ids(restarted.history()) == ["a"]
        assert restarted.requeue("a").state is JobState.QUEUED
        assert ids(restarted.pending()) == ["a", "b"]
        assert restarted.history() == []
        claimed = restarted.claim(9.0)
    assert claimed is not None
    assert (claimed.id, claimed.attempts, claimed.outcome) == ("a", 2, None)


def test_an_end_needs_a_running_job(store: JobStore) -> None:
    store.add(job("a"))
    with pytest.raises(IllegalTransition, match="queued and can't become succeeded"):
        store.end("a", SUCCESS, 1.0)
    with pytest.raises(UnknownJob, match="'zz'"):
        store.end("zz", SUCCESS, 1.0)
    with pytest.raises(UnknownJob):
        store.requeue("zz")


def test_waiting_jobs_can_be_withdrawn_and_running_ones_can_not(store: JobStore) -> None:
    for name in ("a", "b", "c", "d"):
        store.add(job(name))
    store.claim(1.0)
    assert ids(store.withdraw(2.0, ["a", "c", "nobody"])) == ["c"]
    assert ids(store.withdraw(2.0)) == ["b", "d"]
    assert store.count([JobState.CANCELLED]) == 3
    assert store.count([JobState.RUNNING]) == 1


def test_the_history_is_in_order_of_completion_and_takes_pages(store: JobStore) -> None:
    for name in ("a", "b", "c"):
        store.add(job(name))
    for _ in range(3):
        store.claim(1.0)
    for name in ("b", "c", "a"):
        store.end(name, SUCCESS, 1.0)
    assert ids(store.history()) == ["b", "c", "a"]
    assert ids(store.history(max_items=2)) == ["c", "a"]
    assert ids(store.history(max_items=2, offset=0)) == ["b", "c"]
    assert ids(store.history(offset=2)) == ["a"]
    assert ids(store.in_states([JobState.SUCCEEDED], limit=2, offset=1)) == ["b", "a"]


def test_the_history_keeps_the_newest(path: Path) -> None:
    with JobStore(path, keep=2) as store:
        run(store, "a", "b", "c")
        store.add(job("waiting"))
        assert ids(store.history()) == ["b", "c"]
        assert store.find("a") is None
        assert ids(store.pending()) == ["waiting"]


def test_deleting_history_takes_the_outcomes_along_and_spares_the_queue(store: JobStore, path: Path) -> None:
    run(store, "a", "b", "c")
    store.add(job("waiting"))
    assert store.delete_history(["b", "waiting", "nobody"]) == 1
    assert ids(store.history()) == ["a", "c"]
    assert store.delete_history() == 2
    assert store.count() == 1
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM outcomes").fetchone() == (0,)
    raw.close()


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_an_outcome_that_json_can_not_hold_leaves_the_job_running(store: JobStore, value: object) -> None:
    store.add(job("a"))
    store.claim(1.0)
    with pytest.raises(NotJson, match="results of job 'a'"):
        store.end("a", JobOutcome(state=JobState.SUCCEEDED, results={"1": value}), 2.0)
    assert store.count([JobState.RUNNING]) == 1


def test_a_full_store_says_so_and_writes_nothing(path: Path) -> None:
    with JobStore(path, max_bytes=120_000) as store:
        store.add(job("a"))
        store.claim(1.0)
        too_much = JobOutcome(state=JobState.SUCCEEDED, results={"1": {"text": ["x" * 500_000]}})
        with pytest.raises(StoreFull, match="no room left"):
            store.end("a", too_much, 2.0)
        with pytest.raises(StoreFull):
            store.add(job("b", prompt={"1": {"text": "x" * 500_000}}))
        assert [(one.id, one.state) for one in store.in_states()] == [("a", JobState.RUNNING)]
        assert store.end("a", SUCCESS, 3.0).state is JobState.SUCCEEDED


def test_a_write_error_of_the_disk_is_ours_and_the_file_stays_whole(path: Path) -> None:
    script = f"""
import resource, signal
from pathlib import Path
from host.engine.jobs.errors import JobStoreError
from host.engine.jobs.store import JobStore
from host.engine.jobs.records import Job
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with JobStore(Path({str(path)!r})) as store:
    store.add(Job(id="a", prompt={{}}))
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    try:
        store.add(Job(id="b", prompt={{"text": "x" * 2_000_000}}))
    except JobStoreError as error:
        print(type(error).__name__)
    print([job.id for job in store.in_states()])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] in ("StoreUnavailable", "StoreFull"), done.stderr
    assert done.stdout.splitlines()[1] == "['a']"
    with JobStore(path) as store:
        assert ids(store.in_states()) == ["a"]


def test_a_process_killed_in_a_transaction_leaves_nothing_half_written(path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from host.engine.jobs.store import JobStore
from host.engine.jobs.records import Job, JobOutcome, JobState
store = JobStore(Path({str(path)!r}))
store.add(Job(id="a", prompt={{}}))
store.claim(1.0)
store._trim = lambda connection: os._exit(9)
store.end("a", JobOutcome(state=JobState.SUCCEEDED), 2.0)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    with JobStore(path) as store:
        assert [one.state for one in store.in_states()] == [JobState.RUNNING]
        assert [one.state for one in store.recover(3.0)] == [JobState.INTERRUPTED]


def test_a_store_that_another_process_holds_is_locked(path: Path) -> None:
    with JobStore(path, busy_seconds=0.01) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match="another process"):
            store.add(job("a"))
        assert store.in_states() == []
        other.execute("ROLLBACK")
        other.close()
        assert store.add(job("a"))[1]


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"no database at all " * 400)
    with pytest.raises(StoreCorrupt, match="not a database"):
        JobStore(path)
    assert path.read_bytes().startswith(b"no database")


def test_a_damaged_database_is_an_error_that_names_the_file(path: Path) -> None:
    with JobStore(path) as store:
        for index in range(50):
            store.add(job(str(index), extra_data={"pad": "x" * 3000}))
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match=r"jobs\.sqlite"), JobStore(path) as store:
        store.in_states()


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE jobs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="something else"):
        JobStore(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(path: Path) -> None:
    JobStore(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE schema_info SET version = 99")
    raw.close()
    with pytest.raises(StoreVersion, match="its version is 99, we know 1"):
        JobStore(path)


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="folder can't be made"):
        JobStore(tmp_path / "file" / "jobs.sqlite")
    with pytest.raises(StoreUnavailable, match="can't be used"):
        JobStore(tmp_path)


def test_names_with_odd_characters_open(tmp_path: Path) -> None:
    with JobStore(tmp_path / "a?b%20#c" / "jobs é.sqlite") as store:
        run(store, "x")
    assert (tmp_path / "a?b%20#c" / "jobs é.sqlite").is_file()


def test_the_engine_imports_without_the_database() -> None:
    script = "import sys, host.engine.jobs.records, host.engine.cancellation; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def broken(path: Path, name: str, column: str = "prompt") -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE jobs SET {column} = '{{' WHERE id = ?", (name,))
    connection.close()


@pytest.mark.parametrize("column", ["prompt", "extra_data", "outputs"])
def test_a_job_that_can_not_be_read_fails_when_its_turn_comes_and_stops_nobody(
    store: JobStore, path: Path, column: str
) -> None:
    for name in ("a", "b"):
        store.add(job(name))
    broken(path, "a", column)
    assert ids(store.pending()) == ["b"]
    with pytest.raises(UnreadableJob, match="job 'a' can't be read"):
        store.find("a")
    claimed = store.claim(3.0)
    assert claimed is not None
    assert claimed.id == "b"
    (failed,) = store.history()
    assert (failed.id, failed.state) == ("a", JobState.FAILED)
    assert failed.outcome is not None
    assert column in str(failed.outcome.error)


def test_a_running_job_that_can_not_be_read_is_recovered_as_failed(store: JobStore, path: Path) -> None:
    for name in ("a", "b"):
        store.add(job(name))
        store.claim(1.0)
    broken(path, "a")
    assert ids(store.recover(4.0)) == ["b"]
    assert [(one.id, one.state) for one in store.history()] == [
        ("a", JobState.FAILED),
        ("b", JobState.INTERRUPTED),
    ]


def test_an_outcome_that_can_not_be_read_says_so(store: JobStore, path: Path) -> None:
    run(store, "a")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE outcomes SET messages = '['")
    connection.close()
    found = store.find("a")
    assert found is not None
    assert found.outcome is not None
    assert "can't be read" in str(found.outcome.error)


def test_one_owner_works_on_the_jobs_and_the_next_may_once_it_is_gone(store: JobStore, path: Path) -> None:
    store.own()
    store.own()
    with JobStore(path) as second:
        with pytest.raises(StoreOwned, match="another process works on its jobs"):
            second.own()
        store.close()
        second.own()


OWNING = "import sys; from pathlib import Path; from host.engine.jobs.store import JobStore; \
store = JobStore(Path(sys.argv[1])); store.own(); print('owned', flush=True); sys.stdin.read()"


def test_an_owner_that_is_killed_leaves_no_lock(store: JobStore, path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "owned\n"
    with pytest.raises(StoreOwned):
        store.own()
    owner.kill()
    owner.communicate()
    store.own()
