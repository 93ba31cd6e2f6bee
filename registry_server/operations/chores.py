"""What the server does by the way: snapshots made anew when they are old."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from registry_server.errors import RegistryError

logger = logging.getLogger(__name__)

SECONDS_BETWEEN = 30.0


class Chores:
    """A thread that calls ``chore`` now and then; errors are logged, and it is tried again."""

    def __init__(self, chore: Callable[[], object], seconds: float = SECONDS_BETWEEN) -> None:
        self._chore, self._seconds = chore, seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is just being done."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._chore()
            except (RegistryError, OSError) as error:
                logger.warning("a chore waits: %s", error)
