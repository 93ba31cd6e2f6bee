"""The job store's statements, each on a connection whose transaction the caller owns."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, ScalarSelect, Select, delete, insert, select, update

from host.engine.jobs.errors import UnknownJob, UnreadableJob
from host.engine.jobs.records import Job, JobOutcome, JobState
from host.engine.jobs.store_tables import (
    counters,
    job_of,
    jobs,
    outcome_row,
    outcomes,
    state_columns,
    unreadable_columns,
)

logger = logging.getLogger(__name__)


def prepare(connection: sqlite3.Connection, pragmas: Iterable[str]) -> None:
    """Make a new connection ready: no implicit transactions, and these pragmas."""
    # The driver would begin transactions by itself, too late and without the write lock: begin() does it.
    connection.isolation_level = None
    for pragma in pragmas:
        connection.execute(pragma)


def begin(connection: Connection) -> None:
    """Begin a transaction; one that writes takes the write lock at once, so that what it read stays true."""
    reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def select_jobs() -> Select[Any]:
    """All jobs, each with its outcome if it has one."""
    return select(jobs, outcomes).join_from(jobs, outcomes, outcomes.c.job == jobs.c.sequence, isouter=True)


def row_by_id(connection: Connection, job_id: str) -> RowMapping | None:
    """The row of the job with that id, or None."""
    return connection.execute(select_jobs().where(jobs.c.id == job_id)).mappings().first()


def row_by_key(connection: Connection, key: str | None) -> RowMapping | None:
    """The row of the job with that idempotency key, or None."""
    if key is None:
        return None
    return connection.execute(select_jobs().where(jobs.c.idempotency_key == key)).mappings().first()


def job_by_id(connection: Connection, job_id: str, path: Path) -> Job:
    """The job with that id; raises UnknownJob and UnreadableJob."""
    row = row_by_id(connection, job_id)
    if row is None:
        raise UnknownJob(job_id)
    return job_of(row, path)


def readable(rows: Iterable[RowMapping], path: Path) -> list[Job]:
    """The jobs in these rows; one that can't be read is named in the log and left out."""
    found = []
    for row in rows:
        try:
            found.append(job_of(row, path))
        except UnreadableJob as error:
            logger.error("%s", error)
    return found


def queued_jobs(connection: Connection, path: Path) -> list[Job]:
    """The queued jobs, the next one first."""
    queued = select_jobs().where(jobs.c.state == JobState.QUEUED.value).order_by(jobs.c.number, jobs.c.sequence)
    return readable(connection.execute(queued).mappings(), path)


def next_job(connection: Connection, path: Path, now: float) -> Job | None:
    """The queued job whose turn it is; those before it that can't be read are failed."""
    waiting = select_jobs().where(jobs.c.state == JobState.QUEUED.value).order_by(jobs.c.number, jobs.c.sequence)
    while (row := connection.execute(waiting.limit(1)).mappings().first()) is not None:
        try:
            return job_of(row, path)
        except UnreadableJob as error:
            logger.error("%s", error)
            write_off(connection, row, error, now)
    return None


def write_off(connection: Connection, row: RowMapping, error: UnreadableJob, now: float) -> None:
    """Make an unreadable job a failed one that can be read, so that nothing waits for it."""
    failed = JobOutcome(state=JobState.FAILED, error=str(error))
    connection.execute(
        update(jobs)
        .where(jobs.c.id == row["id"])
        .values(
            {
                **unreadable_columns(row),
                "state": failed.state.value,
                "started": now,
                "ended": now,
                "ended_order": take_count(connection, "ended"),
            }
        )
    )
    connection.execute(delete(outcomes).where(outcomes.c.job == sequence_of(row["id"])))
    connection.execute(
        insert(outcomes).values(job=sequence_of(row["id"]), **outcome_row(row["id"], failed, error.path))
    )


def sequence_of(job_id: str) -> ScalarSelect[int]:
    """The key of the job's row, as a part of another statement."""
    return select(jobs.c.sequence).where(jobs.c.id == job_id).scalar_subquery()


def in_states(states: Collection[JobState]) -> ColumnElement[bool]:
    """The condition that a job is in one of the states."""
    return jobs.c.state.in_([state.value for state in states])


def sql_limit(limit: int | None) -> int:
    """SQLite's spelling of a bound that may be absent."""
    return -1 if limit is None else limit


def store_state(connection: Connection, job: Job, outcome: dict[str, Any] | None = None) -> Job:
    """Write the job's state, and its outcome row if there is one; ended jobs get their place in the history."""
    order = take_count(connection, "ended") if job.state.ended else None
    changed = {**state_columns(job), "ended_order": order}
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(changed))
    if outcome is not None:
        connection.execute(insert(outcomes).values(job=sequence_of(job.id), **outcome))
    return job


def take_count(connection: Connection, name: str) -> int:
    """The counter's next value: 0, 1, 2 …"""
    taken: int = connection.execute(select(counters.c.next).where(counters.c.name == name)).scalar() or 0
    connection.execute(insert(counters).prefix_with("OR REPLACE").values(name=name, next=taken + 1))
    return taken
