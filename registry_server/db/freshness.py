"""Tells cheaply whether anything in the database may have changed."""

from __future__ import annotations

import time
from typing import Any

from registry_server.db.database import Database


class Freshness:
    """Asks SQLite with a pragma each time, and lets PostgreSQL's other processes be seen after a second.

    For one thread alone. Transactions of this process are seen at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None

    def now(self) -> tuple[int, int] | None:
        """Equal to an earlier value only if nothing has changed in between; ``None`` where the database is away."""
        if not self._database.is_sqlite:
            return self._database.writes, int(time.monotonic())
        try:
            if self._connection is None:
                self._connection = self._database.raw_connection()
            return self._database.writes, int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except self._database.driver_error:
            self.close()
            return None

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
