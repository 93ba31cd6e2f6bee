"""Pack folders by the content of their archive: written once, never changed, shared by generations."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from registry_client.errors import Mismatch
from registry_client.lockfile import LockedPack
from sdk.archives import unpack

CHANGED = "-scripts"
"""Ends the name of a folder in which an install script ran, and which therefore is not what the archive holds."""


class Store:
    """The folders beneath ``root``; a folder is there wholly or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, pack: LockedPack) -> Path:
        """Where a pack's files are, or will be; its name is the pack's id, which some packs are imported by."""
        return self.root / (pack.sha256 + (CHANGED if pack.scripts else "")) / pack.id

    def has(self, pack: LockedPack) -> bool:
        """Whether they are there."""
        return self.folder(pack).is_dir()

    def add(self, pack: LockedPack, archive: Path, staging: Path) -> Path:
        """Unpack an archive whose content is checked against the lock's sha256; where its files are.

        Raises:
            Mismatch: it is another archive.
            ArchiveError: it is not safe to unpack.
        """
        found = sha256_of(archive)
        if found != pack.sha256:
            raise Mismatch(f"the archive of {pack}", pack.sha256, found)
        staged = staging / f"unpacked-{pack.sha256[:32]}{CHANGED if pack.scripts else ''}"
        shutil.rmtree(staged, ignore_errors=True)
        unpack(archive, staged / pack.id)
        return staged

    def keep(self, pack: LockedPack, staged: Path) -> None:
        """Take what ``add`` unpacked into the store, by one rename."""
        place = self.folder(pack).parent
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not self.has(pack):  # the same archive under another spelling of the id
            (staged / pack.id).rename(self.folder(pack))
        elif not place.is_dir():
            staged.rename(place)


def sha256_of(path: Path) -> str:
    """In lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
