"""Unpacks an archive wholly or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from sdk.archives.errors import BadTarget
from sdk.archives.limits import Limits
from sdk.archives.reading import ArchiveFacts, entry_bytes, read_facts
from sdk.part_files import remove_stale_parts
from sdk.whole_files import whole_folder


def unpack(path: Path, target: Path, limits: Limits | None = None) -> ArchiveFacts:
    """Unpack into ``target``, a folder that is empty or not there yet; it is filled by one rename at the end.

    Files get mode 0644 and folders 0755, whatever the archive says.

    Raises:
        BadTarget: there is something in ``target``.
        ArchiveError: as from ``read_archive``.
        OSError: reading or writing failed; nothing is left behind.
    """
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise BadTarget(path, target)
    with path.open("rb") as file:
        facts = read_facts(file, path, limits or Limits())
        remove_stale_parts(target.parent)
        with whole_folder(target) as part:
            _write(file, facts, part)
    return facts


def _write(file: BinaryIO, facts: ArchiveFacts, folder: Path) -> None:
    for entry in facts.entries:
        place = folder / entry.name
        if entry.is_folder:
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        with os.fdopen(descriptor, "wb") as out:
            out.writelines(entry_bytes(file, facts.path, entry))
