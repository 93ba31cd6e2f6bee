"""The last lines of the log, for the front end's terminal."""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime
from threading import Lock
from typing import Any

from host.api.sockets import Sockets
from host.engine.messages import Message

KEPT = 300
SIZE = {"cols": 80, "rows": 24}


class LogBook(logging.Handler):
    """Keeps the last ``KEPT`` entries, and sends new ones to the clients that asked for them."""

    def __init__(self, sockets: Sockets) -> None:
        super().__init__(logging.INFO)
        self._sockets = sockets
        self._entries: deque[dict[str, str]] = deque(maxlen=KEPT)
        self._subscribers: set[str] = set()
        self._guard = Lock()

    def emit(self, record: logging.LogRecord) -> None:
        entry = {"t": datetime.fromtimestamp(record.created).isoformat(), "m": self.format(record) + "\n"}
        with self._guard:
            self._entries.append(entry)
            subscribers = tuple(self._subscribers)
        for client_id in subscribers:
            self._sockets.send(Message("logs", {"entries": [entry], "size": SIZE}, client_id))

    def subscribe(self, client_id: str, *, wanted: bool) -> None:
        """Send new entries to this client, or no longer."""
        with self._guard:
            (self._subscribers.add if wanted else self._subscribers.discard)(client_id)

    def entries(self) -> dict[str, Any]:
        """The entries with their times, and the size of a terminal that shows them."""
        with self._guard:
            return {"entries": list(self._entries), "size": SIZE}

    def as_text(self) -> str:
        """The entries as lines."""
        with self._guard:
            return "".join(f"{entry['t']} - {entry['m']}" for entry in self._entries)
