"""Which entries there are and which goes first. Pure: no files, no clock."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

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
    uses get, so that what was dear once but is never asked for does not stay for ever.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
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
        """Forget the entry that goes first; gives its key."""
        key, entry = min(self._entries.items(), key=lambda item: (item[1].rank, item[1].used))
        self._floor = max(self._floor, entry.rank)
        self.remove(key)
        return key

    def make_room(self, size: int, bound: int) -> list[bytes]:
        """Evict until ``size`` more bytes fit below the bound; gives the keys, first to go first."""
        gone = []
        while self._entries and self.total + size > bound:
            gone.append(self.evict())
        return gone
