"""The installer's side of an installation: its folders, the pointer, and who may change it."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry_client.errors import Busy, InstallFailed, NotThere
from registry_client.lockfile import BadLock, Lock, read_lock
from sdk.part_files import remove_stale_parts
from sdk.whole_files import write_whole_file
from sdk.workspace import PACKS_FOLDER, BadGeneration, Generation, current_number, read_generation_folder

logger = logging.getLogger(__name__)

PUBLISHED_LOCK = "comfy-nodes.lock"


class Workspace:
    """Where an installation lies. It holds no state beside the folders; ``exclusive`` guards every change."""

    def __init__(self, base_dir: Path) -> None:
        self.base_dir = base_dir
        self.root = base_dir / PACKS_FOLDER
        self.generations = self.root / "generations"
        self.store = self.root / "store"
        self.sites = self.root / "sites"
        self.staging = self.root / "staging"
        self.pointer = self.root / "current"
        self.journal = self.root / "journal"
        self.published_lock = base_dir / PUBLISHED_LOCK

    def current(self) -> Generation | None:
        """The generation in use; None where nothing was ever installed.

        Raises:
            BadGeneration: its record is damaged.
        """
        number = current_number(self.base_dir)
        return None if number is None else read_generation_folder(self.generations / str(number))

    def lock(self) -> Lock:
        """The lock of the generation in use; an empty one where nothing was ever installed.

        Raises:
            BadGeneration: its record is damaged.
            BadLock: its lock is.
        """
        generation = self.current()
        return read_lock(generation.lock) if generation else Lock()

    def current_number(self) -> int | None:
        """The number of the generation in use; None where the pointer is missing or damaged."""
        try:
            return current_number(self.base_dir)
        except BadGeneration as error:
            logger.warning("%s", error)
            return None

    def lock_if_readable(self) -> Lock | None:
        """The lock of the generation in use; None where its record is damaged, which can be mended without it."""
        try:
            return self.lock()
        except (BadGeneration, BadLock, NotThere) as error:
            logger.info("%s", error)
            return None

    def earlier(self) -> Generation:
        """The newest before the one in use whose record and lock can be read; the newest where that is not known.

        Raises:
            NotThere: there is none.
        """
        number = self.current_number()
        for earlier in reversed(self.numbers()):
            if number is None or earlier < number:
                with suppress(BadGeneration, BadLock, NotThere):
                    generation = self.generation(earlier)
                    read_lock(generation.lock)
                    return generation
        raise NotThere("there is no earlier generation to go back to.")

    def numbers(self) -> list[int]:
        """All complete generations, oldest first."""
        with suppress(FileNotFoundError):
            return sorted(int(path.name) for path in self.generations.iterdir() if path.name.isdigit())
        return []

    def generation(self, number: int) -> Generation:
        """One generation.

        Raises:
            NotThere: there is none of that number.
            BadGeneration: its record is damaged.
        """
        if number not in self.numbers():
            there = ", ".join(map(str, self.numbers())) or "none"
            raise NotThere(f"there is no generation {number}; there are: {there}.")
        return read_generation_folder(self.generations / str(number))

    def switch(self, number: int) -> None:
        """Make a generation the one in use: one rename, made durable before it returns."""
        write_whole_file(self.pointer, [f"{number}\n".encode("ascii")])
        try:
            self.publish_lock(number)
        except OSError as error:  # the switch has happened; the next change publishes the lock
            logger.warning("%s could not be written (%s)", self.published_lock, error)

    def announce(self, number: int | None) -> None:
        """Note that a generation is about to be kept and switched to; None once that is done."""
        if number is None:
            self.journal.unlink(missing_ok=True)
        else:
            write_whole_file(self.journal, [f"{number}\n".encode("ascii")])

    def publish_lock(self, number: int) -> None:
        """Show a generation's lock in the base folder, where people and version control see it."""
        lock = self.generations / str(number) / "lock.toml"
        write_whole_file(self.published_lock, [lock.read_bytes()])

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Only this program changes the installation meanwhile; what a killed one left half done is cleared first.

        Raises:
            Busy: another process is at it.
            InstallFailed: the folder can't be written to.
        """
        from filelock import FileLock, Timeout

        note = self.root / "busy.json"
        lock = FileLock(str(self.root / "busy.lock"))
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout as error:
            raise Busy(str(self.root), _holder(note)) from error
        except OSError as error:
            raise InstallFailed(f"{self.root} can't be written to ({error}). Nothing was changed.") from error
        try:
            note.write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")
            self.recover()
            yield
        finally:
            note.unlink(missing_ok=True)
            lock.release()

    def recover(self) -> None:
        """Clear what an interrupted change left: it either happened wholly, or it did not happen."""
        shutil.rmtree(self.staging, ignore_errors=True)
        for folder in (self.base_dir, self.root):
            remove_stale_parts(folder)
        with suppress(BadGeneration):
            number = current_number(self.base_dir)
            self._drop_unused(number)
            if number is not None and (self.generations / str(number) / "lock.toml").is_file():
                self._publish_if_stale(number)

    def _drop_unused(self, current: int | None) -> None:
        """Drop the generation that was kept, but never switched to."""
        with suppress(OSError, ValueError):
            announced = int(self.journal.read_text(encoding="ascii"))
            if announced != current:
                shutil.rmtree(self.generations / str(announced), ignore_errors=True)
            self.announce(None)

    def _publish_if_stale(self, number: int) -> None:
        """Finish a switch that was cut off between the pointer and the copy of the lock."""
        newest = self.generations / str(number) / "lock.toml"
        published = self.published_lock.stat().st_mtime_ns if self.published_lock.is_file() else 0
        if published < self.pointer.stat().st_mtime_ns and not _same(newest, self.published_lock):
            self.publish_lock(number)


def _holder(note: Path) -> str:
    with suppress(OSError, ValueError, KeyError):
        return f" (id {json.loads(note.read_text(encoding='utf-8'))['pid']})"
    return ""


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()
