"""What a result cache is, and the three simple ones.

Keys are 16 bytes (``keys.py``); values are everything a later run needs of a node. A cache may forget anything at
any time: the executor runs a node again whose result is gone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class NodeUi:
    """What a node shows, and which node showed it first.

    Attributes:
        output: lists by name, as a front end gets them.
        node_id, display_id, parent_id, real_id: the node that ran, as in ``events.NodeRef``.
    """

    output: Mapping[str, list[Any]]
    node_id: str
    display_id: str
    parent_id: str | None
    real_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A node's result: per output slot the list of its values (one, unless lists are mapped), and what it shows.

    Values may be ``sdk.Blocker``; they are shared, never copied, and must not be changed by who gets them.
    """

    outputs: tuple[list[Any], ...]
    ui: NodeUi | None = None


@dataclass(slots=True)
class CacheCounters:
    """How a cache has fared since it was made."""

    hits: int = 0
    misses: int = 0
    puts: int = 0
    refused: int = 0
    evictions: int = 0
    entries: int = 0
    bytes: int = 0


class ResultCache(Protocol):
    """Where results stay between prompts.

    One executor calls ``has``, ``get``, ``put`` and ``retain``; ``clear`` and ``counters`` may come from any thread.
    """

    def has(self, key: bytes) -> bool:
        """Whether ``get`` would very likely answer; counts as no use."""

    def get(self, key: bytes) -> Stored | None:
        """The result, or None when there is none (any more)."""

    def put(self, key: bytes, result: Stored, seconds: float) -> None:
        """Offer a result that took ``seconds`` to make. The cache may refuse it, and must not raise for its content."""

    def retain(self, keys: Collection[bytes]) -> None:
        """A prompt with these keys starts. Caches that serve several prompts ignore it."""

    def clear(self) -> None:
        """Forget everything."""

    def counters(self) -> CacheCounters:
        """A snapshot of the counters."""


class NoCache:
    """Forgets everything at once."""

    def has(self, key: bytes) -> bool:
        return False

    def get(self, key: bytes) -> Stored | None:
        return None

    def put(self, key: bytes, result: Stored, seconds: float) -> None:
        return

    def retain(self, keys: Collection[bytes]) -> None:
        return

    def clear(self) -> None:
        return

    def counters(self) -> CacheCounters:
        return CacheCounters()


@dataclass
class _Table:
    """Results by key, and counts of what became of them. One lock guards both."""

    _table: OrderedDict[bytes, Stored] = field(default_factory=OrderedDict, init=False, repr=False)
    _counters: CacheCounters = field(default_factory=CacheCounters, init=False, repr=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False)

    def has(self, key: bytes) -> bool:
        return key in self._table

    def get(self, key: bytes) -> Stored | None:
        with self._lock:
            result = self._table.get(key)
            if result is None:
                self._counters.misses += 1
            else:
                self._counters.hits += 1
            return result

    def put(self, key: bytes, result: Stored, seconds: float) -> None:
        with self._lock:
            self._table[key] = result
            self._counters.puts += 1

    def clear(self) -> None:
        with self._lock:
            self._table.clear()

    def counters(self) -> CacheCounters:
        with self._lock:
            now = self._counters
            return CacheCounters(now.hits, now.misses, now.puts, now.refused, now.evictions, len(self._table))


@dataclass
class LruCache(_Table):
    """Keeps the ``limit`` results used last."""

    limit: int

    def get(self, key: bytes) -> Stored | None:
        with self._lock:
            result = super().get(key)
            if result is not None:
                self._table.move_to_end(key)
            return result

    def put(self, key: bytes, result: Stored, seconds: float) -> None:
        with self._lock:
            super().put(key, result, seconds)
            self._table.move_to_end(key)
            while len(self._table) > self.limit:
                self._table.popitem(last=False)
                self._counters.evictions += 1

    def retain(self, keys: Collection[bytes]) -> None:
        return


@dataclass
class LastPromptCache(_Table):
    """Keeps what the prompt that started last can use: its own results and those it took over from the one before.

    This is how ComfyUI's default cache behaves.
    """

    def retain(self, keys: Collection[bytes]) -> None:
        with self._lock:
            wanted = set(keys)
            kept = OrderedDict((key, result) for key, result in self._table.items() if key in wanted)
            self._counters.evictions += len(self._table) - len(kept)
            self._table = kept
