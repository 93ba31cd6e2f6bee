"""A quick cache in front of one that survives, and the setting that asks for both."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from host.engine.caching.cache import CacheCounters, ResultCache, Stored
from host.engine.caching.choice import DEFAULT_BYTES
from host.engine.caching.disk import DiskCache
from host.engine.caching.memory import MemoryCache
from host.engine.errors import BadCacheSetting
from sdk.hooks import hookimpl

DEFAULT_DISK_BYTES = 16 * 2**30
WORTH_A_FILE_SECONDS = 0.05
"""Results made quicker than this are not written: reading them back would take about as long."""


class TieredCache:
    """Looks in memory first, then on disk; what the disk has is kept in memory from then on. Locks are the tiers'."""

    def __init__(self, memory: ResultCache, disk: DiskCache) -> None:
        self.memory, self.disk = memory, disk

    def has(self, key: bytes) -> bool:
        """Whether either tier has it."""
        return self.memory.has(key) or self.disk.has(key)

    def get(self, key: bytes) -> Stored | None:
        """The result from the first tier that has it."""
        if self.memory.has(key) and (result := self.memory.get(key)) is not None:
            return result
        result = self.disk.get(key)
        if result is not None:
            self.memory.put(key, result, self.disk.seconds(key) or 0.0)
        return result

    def put(self, key: bytes, result: Stored, seconds: float) -> None:
        """Offer it to both tiers."""
        self.memory.put(key, result, seconds)
        self.disk.put(key, result, seconds)

    def retain(self, keys: Collection[bytes]) -> None:
        """A prompt with these keys starts."""
        self.memory.retain(keys)
        self.disk.retain(keys)

    def clear(self) -> None:
        """Forget everything, files included."""
        self.memory.clear()
        self.disk.clear()

    def counters(self) -> CacheCounters:
        """Hits of either tier and misses of both; the rest is the disk's."""
        memory, disk = self.memory.counters(), self.disk.counters()
        disk.hits += memory.hits
        return disk


@hookimpl
def choose_cache(spec: str) -> ResultCache | None:
    """For ``disk:/path``: memory in front of files in that folder; None for any other setting.

    Raises:
        BadCacheSetting: the path is missing, or no folder can be made there.
    """
    kind, _, path = spec.partition(":")
    if kind != "disk":
        return None
    if not path:
        raise BadCacheSetting(spec, "a folder, such as disk:/var/cache/comfy-nodes")
    try:
        disk = DiskCache(Path(path).expanduser(), DEFAULT_DISK_BYTES, min_seconds=WORTH_A_FILE_SECONDS)
    except OSError as error:
        raise BadCacheSetting(spec, f"a folder that can be made and read ({error})") from error
    return TieredCache(MemoryCache(DEFAULT_BYTES), disk)
