"""Jobs in an SQLite file: what survives a restart. Decides nothing but what is next."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Select, create_engine, delete, event, func, insert, inspect, select
from sqlalchemy.exc import DBAPIError

from host.engine.jobs.errors import (
    DuplicateJob,
    IdempotencyConflict,
    StoreCorrupt,
    StoreOwned,
    StoreUnavailable,
    StoreVersion,
    UnreadableJob,
)
from host.engine.jobs.records import ENDED_STATES, Job, JobOutcome, JobState
from host.engine.jobs.store_errors import store_error
from host.engine.jobs.store_queries import (
    begin,
    in_states,
    job_by_id,
    next_job,
    prepare,
    queued_jobs,
    readable,
    row_by_id,
    row_by_key,
    select_jobs,
    sequence_of,
    sql_limit,
    store_state,
    take_count,
    write_off,
)
from host.engine.jobs.store_tables import (
    SCHEMA_VERSION,
    job_of,
    job_row,
    jobs,
    metadata,
    outcome_row,
    outcomes,
    schema_info,
)

_PAGE_BYTES = 4096


class JobStore:
    """The jobs of one host. Safe between threads; every method is one transaction, done wholly or not at all.

    What a method did is there after the process is killed. A power cut may take back the last few moments, but leaves
    the file sound: waiting for the disk with every step of every job would cost more than a short job itself.

    Several processes may read; only the one that owns it (``own``) may work on the jobs.

    Args:
        path: the database file, made where missing together with its folder.
        keep: ended jobs kept; the oldest go first.
        busy_seconds: how long to wait for another process that writes.
        max_bytes: largest size of the file; None for no bound.

    Raises:
        JobStoreError: the file can't be used; every method raises it too. Its kinds say why.
    """

    def __init__(
        self, path: Path, *, keep: int = 10_000, busy_seconds: float = 5.0, max_bytes: int | None = None
    ) -> None:
        self.path = path
        self._keep = keep
        self._ownership = FileLock(f"{path}.owner", thread_local=False)
        pragmas = ["PRAGMA foreign_keys=ON", "PRAGMA synchronous=NORMAL"]
        pragmas.append(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
        if max_bytes is not None:
            pragmas.append(f"PRAGMA max_page_count={max(1, max_bytes // _PAGE_BYTES)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(path, f"its folder can't be made ({error})") from error
        self._engine = create_engine(URL.create("sqlite", database=str(path)))
        event.listen(self._engine, "connect", lambda connection, _: prepare(connection, pragmas))
        event.listen(self._engine, "begin", begin)
        try:
            self._set_up()
        except BaseException:
            self._engine.dispose()
            raise

    def own(self) -> None:
        """Be the one that works on the jobs, until this store is closed or the process ends, however it ends.

        Raises:
            StoreOwned: another process does.
        """
        if self._ownership.is_locked:
            return
        try:
            self._ownership.acquire(timeout=0)
        except Timeout as error:
            raise StoreOwned(self.path, "another process works on its jobs") from error
        except OSError as error:
            raise StoreUnavailable(self.path, f"it can't be locked ({error})") from error

    def close(self) -> None:
        """Let go of the file."""
        self._ownership.release()
        self._engine.dispose()

    def __enter__(self) -> JobStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- writing

    def take_number(self) -> int:
        """The next number of the queue's own counter: 0, 1, 2 … also across restarts."""
        with self._writing() as connection:
            return take_count(connection, "number")

    def add(self, job: Job) -> tuple[Job, bool]:
        """The job as stored, and whether it is new; the earlier one if its idempotency key is known.

        Raises:
            DuplicateJob: there is one of that id.
            IdempotencyConflict: the key belongs to a job with another prompt or other outputs.
            NotJson: it holds something that JSON can't.
        """
        row = job_row(job, self.path)
        with self._writing() as connection:
            earlier = row_by_key(connection, job.idempotency_key)
            if earlier is not None:
                if (earlier["prompt"], earlier["outputs"]) != (row["prompt"], row["outputs"]):
                    raise IdempotencyConflict(earlier["idempotency_key"], earlier["id"])
                return job_of(earlier, self.path), False
            if row_by_id(connection, job.id) is not None:
                raise DuplicateJob(job.id)
            connection.execute(insert(jobs).values(row))
            return job_by_id(connection, job.id, self.path), True

    def claim(self, now: float) -> Job | None:
        """The next queued job, now running; None if nothing waits. No two callers get the same one."""
        with self._writing() as connection:
            job = next_job(connection, self.path, now)
            return None if job is None else store_state(connection, job.start(now))

    def end(self, job_id: str, outcome: JobOutcome, now: float) -> Job:
        """The running job as ended, its outcome stored with it; the oldest ended ones beyond the bound go.

        Raises:
            UnknownJob: no job has that id.
            IllegalTransition: the job is not running.
        """
        row = outcome_row(job_id, outcome, self.path)
        with self._writing() as connection:
            job = store_state(connection, job_by_id(connection, job_id, self.path).end(outcome, now), row)
            self._trim(connection)
            return job

    def withdraw(self, now: float, ids: Iterable[str] | None = None) -> list[Job]:
        """The jobs of these ids (None: all) that were still queued, now cancelled; others are left alone."""
        with self._writing() as connection:
            if ids is None:
                waiting = queued_jobs(connection, self.path)
            else:
                rows = [row_by_id(connection, job_id) for job_id in dict.fromkeys(ids)]
                queued = [row for row in rows if row is not None and row["state"] == JobState.QUEUED.value]
                waiting = readable(queued, self.path)
            withdrawn = [store_state(connection, job.withdraw(now)) for job in waiting]
            self._trim(connection)
            return withdrawn

    def recover(self, now: float) -> list[Job]:
        """The jobs that were running when their process ended, now interrupted."""
        outcome = JobOutcome(state=JobState.INTERRUPTED, error="The host ended while the job ran. Queue it again.")
        with self._writing() as connection:
            lost = connection.execute(select_jobs().where(jobs.c.state == JobState.RUNNING.value)).mappings().all()
            found = []
            for row in lost:
                try:
                    found.append(job_of(row, self.path).end(outcome, now))
                except UnreadableJob as error:
                    write_off(connection, row, error, now)
            stored = [store_state(connection, job, outcome_row(job.id, outcome, self.path)) for job in found]
            self._trim(connection)
            return stored

    def requeue(self, job_id: str) -> Job:
        """The interrupted job, queued again at its old place; raises UnknownJob and IllegalTransition."""
        with self._writing() as connection:
            job = job_by_id(connection, job_id, self.path).requeue()
            connection.execute(delete(outcomes).where(outcomes.c.job == sequence_of(job_id)))
            return store_state(connection, job)

    def delete_history(self, ids: Iterable[str] | None = None) -> int:
        """How many ended jobs were removed: those of these ids, or all."""
        ended = jobs.c.state.in_([state.value for state in ENDED_STATES])
        with self._writing() as connection:
            if ids is None:
                return connection.execute(delete(jobs).where(ended)).rowcount
            return sum(connection.execute(delete(jobs).where(ended, jobs.c.id == one)).rowcount for one in set(ids))

    # -- reading

    def find(self, job_id: str) -> Job | None:
        """The job of that id, or None."""
        with self._reading() as connection:
            row = row_by_id(connection, job_id)
            return None if row is None else job_of(row, self.path)

    def find_by_key(self, idempotency_key: str) -> Job | None:
        """The job with that idempotency key, or None."""
        with self._reading() as connection:
            row = row_by_key(connection, idempotency_key)
            return None if row is None else job_of(row, self.path)

    def pending(self) -> list[Job]:
        """The queued jobs in the order in which they will run."""
        with self._reading() as connection:
            return queued_jobs(connection, self.path)

    def history(self, max_items: int | None = None, offset: int | None = None) -> list[Job]:
        """Ended jobs, the first to end first: the last ``max_items``, or those from ``offset`` on."""
        ended = select_jobs().where(jobs.c.ended_order.is_not(None))
        if offset is None and max_items is not None:
            rows = self._rows(ended.order_by(jobs.c.ended_order.desc()).limit(max_items))
            return rows[::-1]
        return self._rows(ended.order_by(jobs.c.ended_order).limit(sql_limit(max_items)).offset(offset or 0))

    def in_states(
        self, states: Collection[JobState] = tuple(JobState), *, limit: int | None = None, offset: int = 0
    ) -> list[Job]:
        """The jobs in these states, the newest first."""
        found = select_jobs().where(in_states(states)).order_by(jobs.c.sequence.desc())
        return self._rows(found.limit(sql_limit(limit)).offset(offset))

    def count(self, states: Collection[JobState] = tuple(JobState)) -> int:
        """How many jobs are in these states."""
        with self._reading() as connection:
            return connection.execute(select(func.count()).select_from(jobs).where(in_states(states))).scalar_one()

    # -- connections

    def _rows(self, query: Select[Any]) -> list[Job]:
        with self._reading() as connection:
            return readable(connection.execute(query).mappings(), self.path)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect().execution_options(only_reads=True) as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            raise store_error(self.path, error) from error

    def _set_up(self) -> None:
        with self._reading() as connection:
            names = set(inspect(connection).get_table_names())
        if names and schema_info.name not in names:
            raise StoreCorrupt(self.path, "it is a database of something else")
        with self._translated():
            pooled = self._engine.raw_connection()
            pooled.cursor().execute("PRAGMA journal_mode=WAL")
            pooled.close()
        with self._writing() as connection:
            metadata.create_all(connection)
            version = connection.execute(select(func.max(schema_info.c.version))).scalar_one()
            if version is None:
                connection.execute(insert(schema_info).values(version=SCHEMA_VERSION))
            elif version > SCHEMA_VERSION:
                raise StoreVersion(self.path, f"its version is {version}, we know {SCHEMA_VERSION}")

    def _trim(self, connection: Connection) -> None:
        newest = select(jobs.c.ended_order).where(jobs.c.ended_order.is_not(None)).order_by(jobs.c.ended_order.desc())
        bound = newest.offset(self._keep).limit(1).scalar_subquery()
        connection.execute(delete(jobs).where(jobs.c.ended_order <= bound))
