"""What SQLite's error codes mean for the job store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from host.engine.jobs.errors import JobStoreError, StoreCorrupt, StoreFull, StoreLocked, StoreUnavailable

_KINDS: dict[int, tuple[type[JobStoreError], str]] = {
    sqlite3.SQLITE_FULL: (StoreFull, "there is no room left"),
    sqlite3.SQLITE_BUSY: (StoreLocked, "another process holds it"),
    sqlite3.SQLITE_LOCKED: (StoreLocked, "another connection holds it"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "it is damaged"),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "it is not a database"),
}


def store_error(path: Path, error: DBAPIError | sqlite3.Error) -> JobStoreError:
    """The error of ours for one of SQLite's."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    kind, meaning = _KINDS.get(code, (StoreUnavailable, "it can't be used"))
    return kind(path, f"{meaning} ({cause})")
