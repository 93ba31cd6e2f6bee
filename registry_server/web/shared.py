"""Which node code and which node ids several packs have; counted seldom, as every node must be looked at for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from registry_server.db.database import Database
from registry_server.web import repository

MOST = 1000
"""So many are listed, those of most packs first."""
_LEAST_SECONDS = 5.0
_REST = 100
"""It is not counted again for so many times as long as it took: that is one percent of the time at most."""

Count = Callable[[Session, int], list[str]]


@dataclass
class _Counted:
    """One list. Its lock lets one thread count and the others wait for it."""

    count: Count
    found: list[str] = field(default_factory=list)
    until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class SharedNodes:
    """The lists of one registry."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._codes = _Counted(repository.shared_code)
        self._ids = _Counted(repository.shared_ids)

    def codes(self) -> list[str]:
        """Hashes of node code that several packs hold."""
        return self._current(self._codes)

    def ids(self) -> list[str]:
        """Node ids that several packs provide."""
        return self._current(self._ids)

    def _current(self, counted: _Counted) -> list[str]:
        with counted.lock:
            begun = time.monotonic()
            if begun >= counted.until:
                with self._database.read() as session:
                    counted.found = counted.count(session, MOST)
                ended = time.monotonic()
                counted.until = ended + max(_LEAST_SECONDS, (ended - begun) * _REST)
            return counted.found
