"""The folders of each kind of model as packs see and change them: ``folder_paths.folder_names_and_paths``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path, PurePosixPath
from typing import Any

from host.comfyui.home import Home
from host.models.errors import ModelNotFound
from host.models.library import KIND_ALIASES, OTHER_SUFFIXES

SUFFIXES = frozenset((".bin", ".ckpt", ".pkl", ".pt", ".pt2", ".pth", ".safetensors", ".sft"))
"""Of files that hold weights; packs add to their own copy of it."""

Folders = tuple[list[str], set[str]]
"""The folders of a kind, and the suffixes of its files; no suffixes for all files."""


class FolderLists(MutableMapping[str, Folders]):
    """Folders and suffixes by kind. Packs add kinds, and append to lists in place; the host gets those folders, too.

    Args:
        home: the host whose folders these are.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lists: dict[str, Folders] = {}

    def __getitem__(self, kind: str) -> Folders:
        kind = KIND_ALIASES.get(kind, kind)
        try:
            known = [str(folder) for folder in self._home.library.folders(kind)]
        except ModelNotFound:
            raise KeyError(kind) from None
        if kind not in self._lists:
            self._lists[kind] = (known, set(OTHER_SUFFIXES.get(kind, SUFFIXES)))
        folders, _ = entry = self._lists[kind]
        folders += [folder for folder in known if folder not in folders]
        return entry

    def __setitem__(self, kind: str, entry: tuple[Iterable[str | os.PathLike[str]], Iterable[str]]) -> None:
        kind = KIND_ALIASES.get(kind, kind)
        given, suffixes = entry
        folders: list[Any] = given if isinstance(given, list) else list(given)
        folders[:] = map(str, folders)
        self._lists[kind] = (folders, suffixes if isinstance(suffixes, set) else set(suffixes))
        self._home.library.add(kind, ())  # also a kind whose folders are added to its list later
        self._tell(kind)

    def __delitem__(self, kind: str) -> None:
        raise TypeError("the folders of a kind of model can't be taken away from the host")

    def __iter__(self) -> Iterator[str]:
        return iter(self._home.library.kinds)

    def __len__(self) -> int:
        return len(self._home.library.kinds)

    def add(self, kind: str, folder: str, *, first: bool) -> None:
        """One more folder for a kind; ``first`` where new files should go. A new kind has files of all suffixes."""
        folders, suffixes = self.get(kind, ([], set()))
        if folder in folders:
            if not first:
                return
            folders.remove(folder)
        folders.insert(0 if first else len(folders), folder)
        self[kind] = (folders, suffixes)

    def names(self, kind: str) -> list[str]:
        """The files of a kind, relative to their folder, with the system's own separator, sorted, each once."""
        folders, suffixes = self[kind]
        self._tell(kind)
        if suffixes == set(OTHER_SUFFIXES.get(kind, SUFFIXES)):
            return [name.replace("/", os.sep) for name in self._home.library.names(kind)]
        return sorted({name for folder in folders for name in with_suffixes(files_below(folder), suffixes)})

    def find(self, kind: str, name: str) -> str | None:
        """The path of a kind's file; None where no folder of the kind has it, or the name leads out of them."""
        relative = PurePosixPath(str(name).replace("\\", "/"))
        if not relative.parts or "\0" in str(name) or relative.is_absolute() or ".." in relative.parts:
            return None
        candidates = (os.path.join(folder, *relative.parts) for folder in self[kind][0])
        return next((path for path in candidates if os.path.isfile(path)), None)

    def _tell(self, kind: str) -> None:
        """Let the host know of the folders that a pack has added to its list."""
        library, (folders, _) = self._home.library, self._lists[KIND_ALIASES.get(kind, kind)]
        known = library.folders(kind) if kind in self else ()
        if new := [Path(folder) for folder in folders if Path(folder) not in known]:
            library.add(kind, new)


def files_below(folder: str) -> Iterator[str]:
    """Names of the files below a folder, relative to it; links are followed, each real folder once."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            yield os.path.relpath(os.path.join(parent, name), folder)


def with_suffixes(names: Iterable[str], suffixes: Iterable[str]) -> list[str]:
    """Those names whose suffix, in lower case, is one of these; all where there are none."""
    wanted = set(suffixes)
    return [name for name in names if not wanted or os.path.splitext(name)[1].lower() in wanted]
