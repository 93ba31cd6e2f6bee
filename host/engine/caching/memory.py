"""The default cache: results in memory, bounded by bytes; what goes first is what is cheap to make again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import RLock
from typing import Any

from host.engine.caching.cache import CacheCounters, Stored
from host.engine.caching.ranking import CostIndex
from host.engine.caching.sizes import ENTRY_BYTES, Size, size_of


class MemoryCache:
    """Keeps at most ``limit`` bytes of results; which go first is ``CostIndex``'s choice. One lock guards everything.

    Array memory that several results share, such as a tensor and a view of it, counts once.

    Args:
        limit: bytes; a result larger than this is refused.
        measure: says what a result's outputs keep alive.
    """

    def __init__(self, limit: int, measure: Callable[[Any], Size] = size_of) -> None:
        self.limit = limit
        self._measure = measure
        self._table: dict[bytes, tuple[Stored, Size]] = {}
        self._index = CostIndex()
        self._holders: dict[int, int] = {}  # how many entries hold the buffer of that address
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
            self._index.use(key)
            return entry[0]

    def put(self, key: bytes, result: Stored, seconds: float) -> None:
        size = self._measure(result.outputs)
        alone = ENTRY_BYTES + size.total
        with self._lock:
            if alone > self.limit:
                self._counters.refused += 1
                return
            self._forget(key)
            self._table[key] = result, size
            self._index.add(key, alone, seconds)
            self._counters.puts += 1
            self._counters.bytes += ENTRY_BYTES + size.own
            for address, held in size.buffers.items():
                holders = self._holders.get(address, 0)
                self._holders[address] = holders + 1
                if not holders:
                    self._counters.bytes += held
            while self._counters.bytes > self.limit:
                self._forget(self._index.evict())
                self._counters.evictions += 1

    def _forget(self, key: bytes) -> None:
        entry = self._table.pop(key, None)
        if entry is None:
            return
        self._index.remove(key)
        self._counters.bytes -= ENTRY_BYTES + entry[1].own
        for address, held in entry[1].buffers.items():
            self._holders[address] -= 1
            if not self._holders[address]:
                del self._holders[address]
                self._counters.bytes -= held

    def retain(self, keys: Collection[bytes]) -> None:
        return

    def clear(self) -> None:
        with self._lock:
            self._table.clear()
            self._holders.clear()
            self._index = CostIndex()
            self._counters.bytes = 0

    def counters(self) -> CacheCounters:
        with self._lock:
            now = self._counters
            facts = now.hits, now.misses, now.puts, now.refused, now.evictions, len(self._table), now.bytes
            return CacheCounters(*facts)
