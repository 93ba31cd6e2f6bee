"""The job store's tables, and how its rows become jobs and back. No queries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    RowMapping,
    Table,
    Text,
)

from host.engine.jobs.errors import InvalidJob, NotJson, UnreadableJob
from host.engine.jobs.records import Job, JobOutcome, JobState, without_secrets

SCHEMA_VERSION = 1

metadata = MetaData()

schema_info = Table("schema_info", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next", Integer, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("idempotency_key", Text, unique=True),
    Column("number", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("client_id", Text),
    Column("prompt", Text, nullable=False),
    Column("extra_data", Text, nullable=False),
    Column("outputs", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("attempts", Integer, nullable=False),
    Column("ended_order", Integer, unique=True),
    CheckConstraint(f"state IN ({', '.join(repr(state.value) for state in JobState)})", name="known_state"),
    Index("jobs_by_turn", "state", "number", "sequence"),
    sqlite_autoincrement=True,
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("job", Integer, ForeignKey(jobs.c.sequence, ondelete="CASCADE"), primary_key=True),
    Column("results", Text, nullable=False),
    Column("meta", Text, nullable=False),
    Column("messages", Text, nullable=False),
    Column("error", Text, nullable=False),
)


def job_row(job: Job, path: Path) -> dict[str, Any]:
    """The job as a row of ``jobs``, credentials left out; raises NotJson."""
    return {
        "id": job.id,
        "idempotency_key": job.idempotency_key,
        "number": job.number,
        "client_id": job.client_id,
        "prompt": _to_json(job.prompt, f"the prompt of job {job.id!r}", path),
        "extra_data": _to_json(without_secrets(job.extra_data), f"the extra data of job {job.id!r}", path),
        "outputs": _to_json(list(job.outputs), f"the outputs of job {job.id!r}", path),
        "created": job.created,
        **state_columns(job),
    }


def state_columns(job: Job) -> dict[str, Any]:
    """The columns of ``jobs`` that change with the state."""
    return {"state": job.state.value, "started": job.started, "ended": job.ended, "attempts": job.attempts}


def outcome_row(job_id: str, outcome: JobOutcome, path: Path) -> dict[str, Any]:
    """The outcome as a row of ``outcomes``, without the job; raises NotJson."""
    columns = ("results", "meta", "messages", "error")
    return {name: _to_json(getattr(outcome, name), f"the {name} of job {job_id!r}", path) for name in columns}


def job_of(row: RowMapping, path: Path) -> Job:
    """The job in a row of ``jobs`` joined with ``outcomes``; raises UnreadableJob."""
    try:
        return _job_of(row)
    except (ValueError, TypeError, RecursionError, InvalidJob) as error:
        raise UnreadableJob(path, row["id"], str(error)) from error


def unreadable_columns(row: RowMapping) -> dict[str, str]:
    """Empty values for the columns of ``jobs`` whose JSON can't be read."""
    empty = {"prompt": "{}", "extra_data": "{}", "outputs": "[]"}
    return {name: value for name, value in empty.items() if not _same_kind(row[name], value)}


def _same_kind(text: str, example: str) -> bool:
    try:
        return isinstance(json.loads(text), type(json.loads(example)))
    except (ValueError, TypeError, RecursionError):
        return False


def _job_of(row: RowMapping) -> Job:
    number: float = row["number"]
    state = JobState(row["state"])
    unreadable = unreadable_columns(row)
    if unreadable:
        raise ValueError(f"broken JSON in {', '.join(unreadable)}")
    return Job(
        id=row["id"],
        prompt=json.loads(row["prompt"]),
        number=int(number) if number.is_integer() else number,
        client_id=row["client_id"],
        extra_data=json.loads(row["extra_data"]),
        outputs=tuple(json.loads(row["outputs"])),
        idempotency_key=row["idempotency_key"],
        state=state,
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        attempts=row["attempts"],
        outcome=None if row["results"] is None else _outcome_of(state, row),
    )


def _outcome_of(state: JobState, row: RowMapping) -> JobOutcome:
    try:
        return JobOutcome(
            state=state,
            results=json.loads(row["results"]),
            meta=json.loads(row["meta"]),
            messages=tuple((name, data) for name, data in json.loads(row["messages"])),
            error=json.loads(row["error"]),
        )
    except (ValueError, TypeError, RecursionError):
        return JobOutcome(state=state, error="What this job gave was stored, but can't be read any more.")


def _to_json(value: Any, what: str, path: Path) -> str:
    plain = dict(value) if isinstance(value, Mapping) else value
    try:
        return json.dumps(plain, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(path, f"{what} can't be written as JSON ({error})") from error
