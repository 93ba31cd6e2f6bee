"""What can go wrong with jobs and with the place where they are kept.

JobError (an EngineError)
├── InvalidJob              a job or an outcome that makes no sense
├── IllegalTransition       a state that can't follow the one a job is in
├── UnknownJob              no job has that id
├── DuplicateJob            a job with that id exists already
├── IdempotencyConflict     the same key came with another prompt
├── QueueClosed             the queue takes no more jobs
└── JobStoreError           the store can't be used; nothing was written
    ├── StoreUnavailable    the file can't be opened, read or written
    ├── StoreLocked         another process holds it for too long
    ├── StoreFull           no room left
    ├── StoreCorrupt        the file is not a database, or a damaged one
    ├── StoreVersion        written by a newer version
    ├── StoreOwned          another process works on its jobs
    ├── UnreadableJob       a job's row holds something else than was written
    └── NotJson             a value that JSON can't hold
"""

from __future__ import annotations

from pathlib import Path

from host.engine.errors import EngineError


class JobError(EngineError):
    """Root of everything that goes wrong with jobs."""


class InvalidJob(JobError):
    """A job that can't be."""

    def __init__(self, job_id: str, problem: str, remedy: str) -> None:
        super().__init__(job_id, problem, remedy)
        self.job_id, self.problem, self.remedy = job_id, problem, remedy

    def __str__(self) -> str:
        return f"job {self.job_id!r}: {self.problem}. {self.remedy}."


class IllegalTransition(JobError):
    """A state that can't follow the one a job is in."""

    def __init__(self, job_id: str, state: str, following: str) -> None:
        super().__init__(job_id, state, following)
        self.job_id, self.state, self.following = job_id, state, following

    def __str__(self) -> str:
        return f"job {self.job_id!r} is {self.state} and can't become {self.following}. Look up its state first."


class UnknownJob(JobError):
    """No job has that id; it may have left the bounded history."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"there is no job {self.job_id!r}. It may have been deleted, or left the history as the oldest."


class DuplicateJob(JobError):
    """A job with that id exists already."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"a job {self.job_id!r} exists already. Give another id, or delete that one from the history."


class IdempotencyConflict(JobError):
    """A key that was used for another prompt."""

    def __init__(self, key: str, job_id: str) -> None:
        super().__init__(key, job_id)
        self.key, self.job_id = key, job_id

    def __str__(self) -> str:
        return f"the idempotency key {self.key!r} belongs to job {self.job_id!r} with another prompt. Use a new key."


class QueueClosed(JobError):
    """The queue is shutting down."""

    def __str__(self) -> str:
        return "the queue is closed and takes no more jobs. Start the host again."


class JobStoreError(JobError):
    """The store can't do what it was asked; nothing of it was written."""

    remedy = "Look at the file and its disk"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"the job store {self.path}: {self.problem}. {self.remedy}."


class StoreUnavailable(JobStoreError):
    """The file can't be opened, read or written."""

    remedy = "Check that its folder exists and may be written, and that the disk works"


class StoreLocked(JobStoreError):
    """Another process holds the database for longer than we wait."""

    remedy = "End the other process that uses it, or try again"


class StoreFull(JobStoreError):
    """The disk, or the size the store may have, is used up."""

    remedy = "Free some space or clear the history"


class StoreCorrupt(JobStoreError):
    """The file is no database of ours, or a damaged one."""

    remedy = "Move the file away; a new one is made at the next start"


class StoreVersion(JobStoreError):
    """The database was written by a newer version of the host."""

    remedy = "Update the host, or give it another file"


class StoreOwned(JobStoreError):
    """Another process works on the jobs; two would take each other's running jobs for lost."""

    remedy = "End the other host, or give this one another base folder"


class UnreadableJob(JobStoreError):
    """A job's row was changed from outside, so that it can't be read."""

    remedy = "Send the prompt again"

    def __init__(self, path: Path, job_id: str, problem: str) -> None:
        super().__init__(path, f"job {job_id!r} can't be read ({problem})")
        self.job_id = job_id

    def __reduce__(self) -> tuple[type[UnreadableJob], tuple[Path, str, str]]:
        return type(self), (self.path, self.job_id, self.problem)


class NotJson(JobStoreError):
    """A value of a job that JSON can't hold."""

    remedy = "Give only text, numbers, booleans, None, lists and dicts"
