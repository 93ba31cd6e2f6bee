"""What waits to be sent to webhooks, and what was sent last: an SQLite file that outlives the process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

KEPT = 1000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    id TEXT PRIMARY KEY, job_id TEXT NOT NULL, url TEXT NOT NULL, body TEXT NOT NULL, created REAL NOT NULL,
    attempts INTEGER NOT NULL, next_at REAL, status INTEGER, error TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries (next_at);
"""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one webhook.

    Attributes:
        next_at: when to try (again), in seconds since 1970; None once it was delivered or given up.
        status: of the last answer; None while there was none.
        error: why the last attempt failed; None if it did not.
    """

    id: str
    job_id: str
    url: str
    body: str
    created: float
    attempts: int = 0
    next_at: float | None = None
    status: int | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The delivery without its body."""
        facts = asdict(self)
        del facts["body"]
        return facts | {"delivered": self.next_at is None and self.error is None}


class WebhookStore:
    """The deliveries of one server. Safe between threads; every method is one transaction.

    Raises:
        sqlite3.Error: the file can't be used; every method raises it too.
    """

    def __init__(self, path: Path, keep: int = KEPT) -> None:
        self._keep, self._lock = keep, Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        with self._lock, self._connection as connection:
            connection.executescript("PRAGMA journal_mode=WAL;" + _SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def put(self, delivery: Delivery) -> None:
        """Keep a delivery as it is now; of those that are done, the oldest beyond the bound go."""
        values = asdict(delivery)
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._lock, self._connection as connection:
            connection.execute(f"INSERT OR REPLACE INTO deliveries ({names}) VALUES ({marks})", list(values.values()))
            connection.execute(
                "DELETE FROM deliveries WHERE next_at IS NULL AND id NOT IN "
                "(SELECT id FROM deliveries WHERE next_at IS NULL ORDER BY created DESC LIMIT ?)",
                (self._keep,),
            )

    def next(self) -> Delivery | None:
        """The one that is due first."""
        found = self._read("WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1")
        return found[0] if found else None

    def newest(self, limit: int) -> list[Delivery]:
        """The last ones, the newest first."""
        return self._read("ORDER BY created DESC LIMIT ?", limit)

    def _read(self, rest: str, *values: object) -> list[Delivery]:
        with self._lock, closing(self._connection.execute(f"SELECT * FROM deliveries {rest}", values)) as rows:
            return [Delivery(**dict(row)) for row in rows]
