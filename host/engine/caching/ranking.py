"""Which results a bounded cache lets go first, for the tier in memory and the one on disk. Pure: no files, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass

_SLACK = 64  # stale items of the queue that are not worth a clean-up
_MOST_SECONDS = 1e9  # an infinite cost would lift every later rank to infinity


@dataclass(slots=True)
class _Entry:
    size: int
    seconds: float
    rank: float
    used: int


class CostIndex:
    """Entries ranked by the seconds they save per byte they take (GreedyDual-Size, Cao and Irani 1997).

    The least rank goes first; among equal ones, the one unused for longest. Each eviction raises the ranks that later
    uses get, so that what was dear once but is never asked for does not stay for ever. O(log entries) each.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._queue: list[tuple[float, int, bytes]] = []
        self._floor = 0.0
        self._uses = 0
        self.total = 0
        """Sum of the sizes, in bytes."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def keys(self) -> Collection[bytes]:
        """The keys known."""
        return self._entries.keys()

    def seconds(self, key: bytes) -> float | None:
        """What the entry cost to make; None if it is not known."""
        entry = self._entries.get(key)
        return None if entry is None else entry.seconds

    def add(self, key: bytes, size: int, seconds: float) -> None:
        """Know an entry, as used just now; it replaces one of the same key."""
        self.remove(key)
        self._entries[key] = _Entry(size, min(max(0.0, seconds), _MOST_SECONDS), 0.0, 0)
        self.total += size
        self.use(key)
        if len(self._queue) > 2 * len(self._entries) + _SLACK:
            self._queue = [(entry.rank, entry.used, known) for known, entry in self._entries.items()]
            heapq.heapify(self._queue)
        else:
            self._push(key)

    def use(self, key: bytes) -> None:
        """The entry was asked for."""
        entry = self._entries.get(key)
        if entry is not None:
            self._uses += 1
            entry.used = self._uses
            entry.rank = self._floor + entry.seconds / max(1, entry.size)

    def remove(self, key: bytes) -> None:
        """Forget the entry, if it is known."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.total -= entry.size

    def evict(self) -> bytes:
        """Forget the entry that goes first; gives its key. There must be one."""
        while True:
            _, used, key = heapq.heappop(self._queue)
            entry = self._entries.get(key)
            if entry is not None and entry.used == used:
                self._floor = max(self._floor, entry.rank)
                self.remove(key)
                return key
            if entry is not None:  # used since it was queued, which only raises a rank
                self._push(key)

    def _push(self, key: bytes) -> None:
        entry = self._entries[key]
        heapq.heappush(self._queue, (entry.rank, entry.used, key))

    def make_room(self, size: int, bound: int) -> list[bytes]:
        """Evict until ``size`` more bytes fit below the bound; gives the keys, first to go first."""
        gone = []
        while self._entries and self.total + size > bound:
            gone.append(self.evict())
        return gone
