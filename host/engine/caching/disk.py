"""The tier of the result cache that survives a restart: a folder of safetensors files, one for each result."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from host.engine.caching.cache import CacheCounters, Stored
from host.engine.caching.disk_file import CorruptEntry, EntryInfo, pack, read_entry, read_info
from host.engine.caching.disk_values import NotStorable
from host.engine.caching.ranking import CostIndex
from sdk.part_files import remove_stale_parts
from sdk.whole_files import Buffer, write_whole_file

logger = logging.getLogger(__name__)

SUFFIX = ".result.safetensors"
_ENTRY_NAME = re.compile(rf"([0-9a-f]{{2}})+{re.escape(SUFFIX)}")


class DiskCache:
    """Results in files, bounded by bytes; what saves least time per byte goes first.

    Kept are results made of tensors on the CPU, numbers, text, booleans, None, lists, tuples, dicts and blockers;
    anything else is refused and counted. Two processes may share the folder: files appear whole, and each process
    takes over what the other one wrote. Files that bear no name of ours are left alone, those that do but are
    damaged are removed. One lock guards index and counters; files are written outside it.

    Args:
        folder: made where missing.
        max_bytes: bound for the sum of the files.
        min_seconds: results that were quicker to make are not worth a file, and refused.
        write: makes a file appear whole or not at all.

    Raises:
        OSError: the folder can't be made or listed.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        *,
        min_seconds: float = 0.0,
        write: Callable[[Path, Sequence[Buffer]], None] = write_whole_file,
    ) -> None:
        self.folder, self.max_bytes, self._min_seconds, self._write = folder, max_bytes, min_seconds, write
        self._lock = threading.RLock()
        self._index = CostIndex()
        self._counters = CacheCounters()
        self._seen_change = -1
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale_parts(folder)
        with self._lock:
            self._take_over_changes()
            self._make_room(0)

    def has(self, key: bytes) -> bool:
        """Whether there is a file of that key, unread."""
        return key in self._index or self._path(key).exists()

    def get(self, key: bytes) -> Stored | None:
        """The result, or None when there is none; a damaged file is removed and counts as none."""
        path = self._path(key)
        try:
            info, result = read_entry(path)
            if info.key != key:
                raise CorruptEntry("it belongs to another key")
        except (CorruptEntry, OSError) as error:
            self._missed(key, error)
            return None
        with suppress(OSError):
            os.utime(path)
        with self._lock:
            self._counters.hits += 1
            if key in self._index:
                self._index.use(key)
            else:
                self._index.add(key, info.size, info.seconds)
        return result

    def put(self, key: bytes, result: Stored, seconds: float) -> None:
        """Write the result, or refuse it: not storable, too quick to make, too large, or the disk is full."""
        seconds = max(0.0, seconds)
        try:
            if seconds < self._min_seconds:
                raise NotStorable("a result that is quicker to make than to keep")
            content = pack(key, result, seconds)
            size = sum(len(piece) for piece in content)
            if size > self.max_bytes:
                raise NotStorable(f"a result of {size} bytes in a cache of {self.max_bytes}")
            with self._lock:
                self._take_over_changes()
                self._index.remove(key)
                self._make_room(size)
            self._write(self._path(key), content)
        except (NotStorable, OSError) as error:
            logger.log(logging.WARNING if isinstance(error, OSError) else logging.DEBUG, "not cached: %s", error)
            with self._lock:
                self._counters.refused += 1
            return
        with self._lock:
            self._index.add(key, size, seconds)
            self._counters.puts += 1
            self._make_room(0)
            with suppress(OSError):
                self._seen_change = self.folder.stat().st_mtime_ns

    def retain(self, keys: Collection[bytes]) -> None:
        """Nothing: a cache on disk serves all prompts."""

    def clear(self) -> None:
        """Remove every file of ours, also those that another process wrote."""
        with self._lock:
            for key in self._entry_files():
                self._remove_file(key)
            self._index = CostIndex()

    def counters(self) -> CacheCounters:
        """A snapshot of the counters; ``refused`` counts what could not be stored."""
        with self._lock:
            return replace(self._counters, entries=len(self._index), bytes=self._index.total)

    def seconds(self, key: bytes) -> float | None:
        """What the result of that key cost to make; None if it is not known here."""
        with self._lock:
            return self._index.seconds(key)

    def _path(self, key: bytes) -> Path:
        return self.folder / f"{key.hex()}{SUFFIX}"

    def _missed(self, key: bytes, error: CorruptEntry | OSError) -> None:
        if isinstance(error, CorruptEntry):
            logger.warning("removed a damaged cache entry, %s: %s", self._path(key), error)
            self._remove_file(key)
        elif not isinstance(error, FileNotFoundError):
            logger.warning("a cache entry can't be read: %s", error)
        with self._lock:
            self._counters.misses += 1
            self._index.remove(key)

    def _make_room(self, size: int) -> None:
        for key in self._index.make_room(size, self.max_bytes):
            self._counters.evictions += 1
            self._remove_file(key)

    def _remove_file(self, key: bytes) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("a cache entry can't be removed: %s", error)

    def _take_over_changes(self) -> None:
        """Know the folder's files as they are now, the longest unused first; costs one stat while nothing changed."""
        change = self.folder.stat().st_mtime_ns
        if change == self._seen_change:
            return
        self._seen_change = change
        found = self._entry_files()
        for gone in set(self._index.keys()) - found.keys():
            self._index.remove(gone)
        for key in sorted(found.keys() - self._index.keys(), key=lambda key: found[key]):
            info = self._checked_info(key)
            if info is not None:
                self._index.add(key, info.size, info.seconds)

    def _checked_info(self, key: bytes) -> EntryInfo | None:
        try:
            info = read_info(self._path(key))
            if info.key != key:
                raise CorruptEntry("it belongs to another key")
        except CorruptEntry as error:
            logger.warning("removed a damaged cache entry, %s: %s", self._path(key), error)
            self._remove_file(key)
            return None
        except OSError:
            return None
        return info

    def _entry_files(self) -> dict[bytes, int]:
        """The keys of our files, each with the time of its last use in nanoseconds."""
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if _ENTRY_NAME.fullmatch(entry.name):
                    with suppress(FileNotFoundError):  # another process removed it just now
                        found[bytes.fromhex(entry.name.removesuffix(SUFFIX))] = entry.stat().st_mtime_ns
        return found
