"""Limits how often one client does something; in this process alone."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from registry_server.errors import TooOften

MOST_CLIENTS = 20_000


class RateLimit:
    """A bucket of tokens for each client, filled steadily. Safe between threads: its lock guards the buckets.

    Args:
        what: what is limited, in the plural.
        per_minute: how many in the long run; as many at once. 0 or less for no limit.
    """

    def __init__(self, what: str, per_minute: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._what, self._per_minute, self._seconds = what, per_minute, seconds
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def spend(self, client: str) -> None:
        """Count one for this client.

        Raises:
            TooOften: it was one too many.
        """
        if self._per_minute <= 0:
            return
        with self._lock:
            left = self._left(client)
            if left < 1:
                raise TooOften(self._what, math.ceil((1 - left) * 60 / self._per_minute))
            self._keep(client, left - 1)

    def check(self, client: str) -> None:
        """Raise as ``spend`` would, and count nothing."""
        if self._per_minute <= 0:
            return
        with self._lock:
            left = self._left(client)
        if left < 1:
            raise TooOften(self._what, math.ceil((1 - left) * 60 / self._per_minute))

    def _left(self, client: str) -> float:
        left, at = self._buckets.get(client, (float(self._per_minute), self._seconds()))
        return min(float(self._per_minute), left + (self._seconds() - at) * self._per_minute / 60)

    def _keep(self, client: str, left: float) -> None:
        self._buckets[client] = (left, self._seconds())
        self._buckets.move_to_end(client)
        while len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
