"""The default cache: results in memory, bounded by bytes; what goes first is what is cheap to make again."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from threading import RLock
from typing import Any

from host.engine.cache import CacheCounters, Stored
from host.engine.cache_sizes import ENTRY_BYTES, size_of


class _Entry:
    __slots__ = ("bytes", "result", "seconds", "value")

    def __init__(self, result: Stored, size: int, seconds: float, value: float) -> None:
        self.result, self.bytes, self.seconds, self.value = result, size, seconds, value


class MemoryCache:
    """Keeps at most ``limit`` bytes of results. One lock guards everything.

    An entry is worth ``floor + seconds / bytes``; the one worth least goes first, and its worth becomes the floor, so
    that entries nobody uses age (GreedyDual-Size: Cao and Irani, "Cost-aware WWW proxy caching algorithms", 1997).

    Args:
        limit: bytes; a result larger than this is refused.
        measure: gives the bytes of a result's outputs.
    """

    def __init__(self, limit: int, measure: Callable[[Any], int] = size_of) -> None:
        self.limit = limit
        self._measure = measure
        self._table: dict[bytes, _Entry] = {}
        self._queue: list[tuple[float, bytes]] = []
        self._floor = 0.0
        self._counters = CacheCounters()
        self._lock = RLock()

    def has(self, key: bytes) -> bool:
        return key in self._table

    def get(self, key: bytes) -> Stored | None:
        with self._lock:
            entry = self._table.get(key)
            if entry is None:
                self._counters.misses += 1
                return None
            self._counters.hits += 1
            entry.value = self._floor + entry.seconds / entry.bytes
            return entry.result

    def put(self, key: bytes, result: Stored, seconds: float) -> None:
        size = ENTRY_BYTES + self._measure(result.outputs)
        with self._lock:
            if size > self.limit:
                self._counters.refused += 1
                return
            self._forget(key)
            entry = _Entry(result, size, seconds, self._floor + seconds / size)
            self._table[key] = entry
            self._counters.puts += 1
            self._counters.bytes += size
            heapq.heappush(self._queue, (entry.value, key))
            self._make_room()

    def _make_room(self) -> None:
        """Evict until the limit holds. Queue items go stale when an entry is used; they are put right when met."""
        while self._counters.bytes > self.limit:
            value, key = heapq.heappop(self._queue)
            entry = self._table.get(key)
            if entry is None or entry.value < value:
                continue
            if entry.value > value:
                heapq.heappush(self._queue, (entry.value, key))
                continue
            self._floor = value
            self._forget(key)
            self._counters.evictions += 1

    def _forget(self, key: bytes) -> None:
        entry = self._table.pop(key, None)
        if entry is not None:
            self._counters.bytes -= entry.bytes

    def retain(self, keys: Collection[bytes]) -> None:
        return

    def clear(self) -> None:
        with self._lock:
            self._table.clear()
            self._queue.clear()
            self._counters.bytes = 0
            self._floor = 0.0

    def counters(self) -> CacheCounters:
        with self._lock:
            now = self._counters
            facts = now.hits, now.misses, now.puts, now.refused, now.evictions, len(self._table), now.bytes
            return CacheCounters(*facts)
