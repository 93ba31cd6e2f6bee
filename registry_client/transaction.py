"""Installs what a lock says, wholly or not at all.

Everything is prepared beside the generation in use, and checked there. Then one rename of the file ``current`` makes it
the one in use. Whatever ends the program before that rename leaves the former generation as it was; whatever ends it
after leaves the new one complete. ``Workspace.recover`` clears what is left over, when the next change begins.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from registry_client import fetch as fetching
from registry_client.errors import ImportFailed, InstallFailed
from registry_client.host_program import ImportReport
from registry_client.lockfile import Lock, LockedPack, encode_lock
from registry_client.ownership import Claimant, decide
from registry_client.packages.site import build_site, site_name
from registry_client.packages.uv import Uv
from registry_client.store import Store
from registry_client.watching import Nobody, Watcher
from registry_client.workspace import Workspace
from sdk.whole_files import sync_folder, write_whole_file
from sdk.workspace import GENERATION_FILE, LOCK_FILE, Generation, InstalledPack, encode_generation

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Installer:
    """What an installation needs beside the lock.

    Attributes:
        origins: for downloads.
        archives: of direct sources, by sha256.
        check: imports the packs of a generation; None to leave that out.
        host: what the host's own nodes claim, if that is known.
    """

    workspace: Workspace
    uv: Uv
    origins: fetching.Origins
    archives: Mapping[str, Path] = field(default_factory=dict)
    check: Callable[[Path], ImportReport] | None = None
    host: Claimant | None = None
    watcher: Watcher = field(default_factory=Nobody)

    def install(self, lock: Lock, command: str) -> Generation:
        """Make the lock the generation in use. The caller holds ``workspace.exclusive()``.

        Raises:
            ImportFailed: packs can't be imported.
            DuplicateNodes: packs turn out to provide the same node.
            InstallFailed: a file can't be written, a script failed.
            ClientError: as from downloading, unpacking and uv.
        """
        staging = self.workspace.staging
        try:
            self.watcher.step("begin")
            staging.mkdir(parents=True, exist_ok=True)
            self._store_packs(lock, staging)
            self._sites(lock, staging)
            generation = self._record(lock, staging, command)
            self._check(lock, generation)
            return self._switch(generation)
        except OSError as error:
            raise InstallFailed(f"{error}. Nothing was changed.") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _store_packs(self, lock: Lock, staging: Path) -> None:
        store = Store(self.workspace.store)
        missing = [pack for pack in lock.packs if not store.has(pack)]
        archives = dict(self.archives)
        wanted = [pack for pack in missing if pack.sha256 not in archives]
        if wanted:
            self.watcher.step("download")
            archives |= fetching.fetch(wanted, self.origins, staging, self.watcher)
        for pack in missing:
            self.watcher.step(f"unpack {pack.id}")
            staged = store.add(pack, archives[pack.sha256], staging)
            if pack.scripts:
                self.watcher.step(f"install script of {pack.id}")
                _run_script(pack, staged / pack.id)
            self.watcher.step(f"store {pack.id}")
            store.keep(pack, staged)

    def _sites(self, lock: Lock, staging: Path) -> None:
        for pack, wheels in lock.sites():
            place = self._site(lock, pack)
            if place and not place.is_dir():
                self.watcher.step(f"python packages of {pack.id}" if pack else "python packages")
                build_site(wheels, staging / place.name, self.uv, isolated=pack is not None)
                self.watcher.step("store python packages")
                place.parent.mkdir(parents=True, exist_ok=True)
                (staging / place.name).rename(place)

    def _site(self, lock: Lock, pack: LockedPack | None = None) -> Path | None:
        """Where the Python packages are of an isolated pack, or of the others."""
        wheels = lock.wheels_of(pack)
        return self.workspace.sites / site_name(wheels) if wheels else None

    def _record(self, lock: Lock, staging: Path, command: str) -> Generation:
        self.watcher.step("record")
        store = Store(self.workspace.store)
        number = max(self.workspace.numbers(), default=0) + 1
        packs = tuple(
            InstalledPack(
                id=pack.id,
                version=pack.version,
                folder=store.folder(pack),
                sha256=pack.sha256,
                enabled=pack.enabled,
                isolated=pack.isolated,
                site=self._site(lock, pack) if pack.isolated else None,
                wheels=_versions(lock, pack) if pack.isolated else {},
            )
            for pack in lock.packs
        )
        generation = Generation(
            number=number,
            folder=staging / str(number),
            packs=packs,
            site=self._site(lock),
            wheels=_versions(lock),
            owners=lock.owners,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            command=command,
        )
        generation.folder.mkdir()
        write_whole_file(generation.folder / LOCK_FILE, [encode_lock(lock)])
        write_whole_file(generation.folder / GENERATION_FILE, [encode_generation(generation)])
        return generation

    def _check(self, lock: Lock, generation: Generation) -> None:
        if self.check is None:
            return
        self.watcher.step("import check")
        report = self.check(generation.folder)
        if report.failures:
            raise ImportFailed(report.failures)
        for note in report.notes:
            logger.warning("%s", note)
        versions = {pack.id: pack.version for pack in lock.packs}
        claimants = [Claimant(id_, versions.get(id_, ""), frozenset(names)) for id_, names in report.nodes.items()]
        decide([*claimants, *([self.host] if self.host else [])], decided=lock.owners)

    def _switch(self, generation: Generation) -> Generation:
        place = self.workspace.generations / str(generation.number)
        place.parent.mkdir(parents=True, exist_ok=True)
        self.watcher.step("keep the generation")
        self.workspace.announce(generation.number)
        generation.folder.rename(place)
        sync_folder(place.parent)
        self.watcher.step("switch")
        self.workspace.switch(generation.number)
        self.watcher.step("done")
        self.workspace.announce(None)
        return self.workspace.generation(generation.number)


def _versions(lock: Lock, pack: LockedPack | None = None) -> dict[str, str]:
    return {wheel.name: wheel.version or wheel.url for wheel in lock.wheels_of(pack)}


def _run_script(pack: LockedPack, folder: Path) -> None:
    if not (folder / "install.py").is_file():
        return
    done = subprocess.run(
        [sys.executable, "install.py"], cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise InstallFailed(f"install.py of {pack} failed: {said[-1] if said else f'code {done.returncode}'}.")


def collect_garbage(workspace: Workspace, keep: int, *, dry_run: bool = False) -> tuple[list[int], int]:
    """Drop all but the newest generations and the one in use, and what only they used.

    Returns:
        The dropped generations, and the bytes that became free; with ``dry_run``, those that would be.
    """
    current = workspace.current()
    numbers = workspace.numbers()
    kept = set(numbers[-keep:] if keep else ()) | ({current.number} if current else set())
    dropped = [number for number in numbers if number not in kept]
    used: set[Path] = set()
    for number in kept:
        generation = workspace.generation(number)
        used |= {pack.folder.parent for pack in generation.packs}
        used |= generation.sites
    folders = [folder for folder in (workspace.store, workspace.sites) if folder.is_dir()]
    unused = [entry for folder in folders for entry in folder.iterdir() if entry not in used]
    freed = sum(map(_size, unused))
    for entry in () if dry_run else (*(workspace.generations / str(number) for number in dropped), *unused):
        _remove(entry, workspace)
    shutil.rmtree(workspace.staging, ignore_errors=True)
    return dropped, freed


def _remove(folder: Path, workspace: Workspace) -> None:
    """Take a folder out of sight by one rename before it is deleted, so that no half of it stays."""
    workspace.staging.mkdir(parents=True, exist_ok=True)
    away = workspace.staging / f"removed-{folder.name}"
    folder.rename(away)
    shutil.rmtree(away)


def _size(folder: Path) -> int:
    return sum(os.lstat(path).st_size for path in folder.rglob("*") if path.is_file())
