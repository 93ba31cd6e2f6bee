"""Tells states of a pack's code apart that bear the same version, so that results of an earlier one are not reused."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from importlib import metadata, util
from pathlib import Path


def code_stamp(*places: Path) -> str:
    """Changes whenever a Python file of these folders does, by the files' sizes and times of change."""
    digest = blake2b(digest_size=8)
    for place in places:
        for name, facts in sorted(_sources(str(place), "")):
            digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode(errors="replace"))
    return digest.hexdigest()


def _sources(folder: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Relative names and facts of the Python files below a folder; of a file given instead, its own."""
    with suppress(OSError):
        if not os.path.isdir(folder):
            yield os.path.basename(folder), os.stat(folder)
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".py"):
                    yield prefix + entry.name, entry.stat()
                elif entry.is_dir(follow_symlinks=False) and entry.name != "__pycache__":
                    yield from _sources(entry.path, f"{prefix}{entry.name}/")


def installed_stamp(distribution: metadata.Distribution | None, packages: Iterable[str]) -> str:
    """The same for an installed distribution: a digest of its record of files.

    Args:
        packages: its top-level packages; they are looked at where it is installed as a link to sources, whose record
            stays the same while they are edited.
    """
    record = distribution.read_text("RECORD") if distribution and not _is_link(distribution) else None
    if record is not None:
        return blake2b(record.encode(errors="replace"), digest_size=8).hexdigest()
    return code_stamp(*(place for package in sorted(packages) for place in _places(package)))


def _is_link(distribution: metadata.Distribution) -> bool:
    try:
        said = json.loads(distribution.read_text("direct_url.json") or "{}")
    except ValueError:
        return True
    return bool(said.get("dir_info", {}).get("editable"))


def _places(package: str) -> list[Path]:
    """Where a top-level package or module lies, without importing it."""
    try:
        loaded = sys.modules.get(package)
        spec = loaded.__spec__ if loaded is not None else util.find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    folders = list(spec.submodule_search_locations or ())
    return [Path(folder) for folder in folders or filter(None, [spec.origin])]
