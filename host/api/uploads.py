"""Puts files where nodes read them: wholly or not at all, and never over another one unless that is wanted."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sdk.part_files import remove_stale_parts
from sdk.whole_files import part_file, take_free_name, write_whole_file

if TYPE_CHECKING:
    from host.folders import LocalFolders

ROOTS = ("input", "temp", "output")


class BadUpload(Exception):
    """A file that can't be kept under the name it came with."""


def store(folders: LocalFolders, root: str, subfolder: str, name: str, content: bytes, *, overwrite: bool) -> str:
    """Keep a file; gives the name it has now.

    A file of that name with the same bytes is left as it is; one with other bytes is replaced if ``overwrite`` says
    so, and else the new one is called ``name (1)``, ``name (2)`` …

    Raises:
        UnsafeName: the name leads out of the folder.
        BadUpload: no file can be called that.
    """
    # A backslash is a letter here and a separator on Windows, where such a name would lead elsewhere.
    if not name or "/" in name or "\\" in name or name in (".", ".."):
        raise BadUpload(f"A file can't be called {name!r:.100}.")
    folder = folders.inside(root, subfolder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if overwrite:
            replace(folders.inside(root, os.path.join(subfolder, name)), content)
            return name
        return _add(folders, root, subfolder, name, content)
    except OSError as error:
        raise BadUpload(f"{name!r:.100} can't be stored: {error.strerror}.") from error


def replace(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or all of the new one; makes its folder.

    Raises:
        OSError: it can't be written; nothing has changed.
    """
    remove_stale_parts(path.parent)
    write_whole_file(path, [content])


def create(path: Path, content: bytes) -> None:
    """Write a new file wholly or not at all.

    Raises:
        FileExistsError: there is one of that name.
        OSError: it can't be written.
    """
    with _without_name(path.parent, content) as part:
        if not take_free_name(part, path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _add(folders: LocalFolders, root: str, subfolder: str, name: str, content: bytes) -> str:
    pure = PurePosixPath(name)
    number, tried = 0, name
    with _without_name(folders.inside(root, subfolder), content) as part:
        while True:
            path = folders.inside(root, os.path.join(subfolder, tried))
            if take_free_name(part, path):
                return tried
            if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
                return tried
            number += 1
            tried = f"{pure.stem} ({number}){pure.suffix}"


@contextmanager
def _without_name(folder: Path, content: bytes) -> Iterator[Path]:
    """A file in the folder, which is made, to be given a name."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_stale_parts(folder)
    with part_file(folder) as part:
        part.write_bytes(content)
        yield part
