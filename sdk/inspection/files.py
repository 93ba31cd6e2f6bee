"""The pack's files as its own code sees them while it is imported, under a made-up absolute path."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

MODELS_HOST = "/comfyui"
PLACE = f"{MODELS_HOST}/custom_nodes"
_MAX_FILES = 50_000


class PackFiles:
    """Which files and folders there are. Paths given are the absolute ones that the pack's code would see."""

    def __init__(self, folder: Path, name: str, other_names: Iterable[str] = ()) -> None:
        self.folder = folder
        self.name = name
        self._names = {_folded(each) for each in (name, *other_names)}
        self.root = f"{PLACE}/{name}"

    @cached_property
    def _all(self) -> tuple[frozenset[str], frozenset[str]]:
        """Relative names of all files and of all folders."""
        files: set[str] = set()
        folders: set[str] = {""}
        for place, subfolders, names in os.walk(self.folder):
            subfolders[:] = sorted(name for name in subfolders if name not in ("__pycache__", ".git"))
            here = Path(place).relative_to(self.folder)
            folders.update((here / name).as_posix() for name in subfolders)
            files.update((here / name).as_posix() for name in names)
            if len(files) > _MAX_FILES:
                break
        return frozenset(files), frozenset(folders)

    @property
    def files(self) -> frozenset[str]:
        """Relative names of all files."""
        return self._all[0]

    def absolute(self, name: str) -> str:
        """The path that the pack's code would see."""
        return posixpath.join(self.root, name) if name else self.root

    def relative(self, path: str) -> str | None:
        """The name below the pack's folder; None for what lies elsewhere."""
        path = posixpath.normpath(path)
        if path == self.root:
            return ""
        if path.startswith(f"{self.root}/"):
            return path.removeprefix(f"{self.root}/")
        if not path.startswith(f"{PLACE}/"):
            return None
        name, _, inside = path.removeprefix(f"{PLACE}/").partition("/")
        return inside if _folded(name) in self._names else None

    def is_file(self, path: str) -> bool | None:
        """None where that depends on the machine."""
        name = self.relative(path)
        return None if name is None else name in self._all[0]

    def is_folder(self, path: str) -> bool | None:
        """None where that depends on the machine."""
        name = self.relative(path)
        return None if name is None else name in self._all[1]

    def listing(self, path: str) -> list[str] | None:
        """Names in a folder, sorted; None where they are not known."""
        name = self.relative(path)
        if name is None or name not in self._all[1]:
            return None
        return sorted(
            posixpath.basename(item) for item in (*self._all[0], *self._all[1] - {""}) if _parent(item) == name
        )

    def matching(self, pattern: str) -> list[str] | None:
        """Absolute paths of files and folders that match, ``**`` for any depth; None where that is not known."""
        relative = self.relative(pattern)
        if relative is None:
            return None
        parts = relative.split("/")
        found = [item for item in (*self._all[0], *self._all[1] - {""}) if _matches(item.split("/"), parts)]
        return [self.absolute(item) for item in sorted(found)]

    def read_text(self, path: str) -> str | None:
        """A small text file of the pack; None where there is none."""
        if not self.is_file(path):
            return None
        file = self.folder / (self.relative(path) or "")
        try:
            return file.read_text(encoding="utf-8-sig") if file.stat().st_size < 1_000_000 else None
        except (OSError, UnicodeDecodeError):
            return None


def _folded(name: str) -> str:
    """A folder's name as people spell it: packs rely on their own in several ways."""
    return re.sub(r"[-_. ]", "", name).casefold()


def _parent(name: str) -> str:
    return posixpath.dirname(name)


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
