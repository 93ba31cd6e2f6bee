"""What one user keeps on the server: workflows, settings and other files of the front end."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from host.api import uploads
from host.api.answers import dumps
from host.folders import LocalFolders, UnsafeName
from sdk.whole_files import take_free_name

logger = logging.getLogger(__name__)

SETTINGS, STYLE_SHEET = "comfy.settings.json", "user.css"


class NotYours(UnsafeName):
    """A name that leads out of the user's own folder."""


@dataclass(frozen=True)
class UserFile:
    """A file of the user; times are seconds since 1970."""

    path: str
    size: int
    modified: float
    created: float

    def as_json(self) -> dict[str, Any]:
        return {"path": self.path, "size": self.size, "modified": self.modified, "created": self.created}


class UserFiles:
    """The files of the one user there is. Names are checked by ``LocalFolders``; one lock guards the settings.

    Every method that takes a name raises NotYours if that leads out of the user's folder.
    """

    def __init__(self, folders: LocalFolders, user: str = "default") -> None:
        self._folders, self._user = folders, user
        self._lock = Lock()

    def path(self, name: str) -> Path:
        """Where a file of that name is or would be."""
        try:
            own = self._folders.inside("user", self._user)
            path = self._folders.inside("user", f"{self._user}/{name}")
        except UnsafeName as error:
            raise NotYours(name, "user", error.reason) from error
        if not path.is_relative_to(own):
            raise NotYours(name, "user", "leads out of the user's own folder")
        if any(folder in (own / SETTINGS, own / STYLE_SHEET) for folder in path.parents):
            raise NotYours(name, "user", "takes a file of the server for a folder")
        return path

    def facts(self, name: str) -> UserFile:
        """A file's facts; raises OSError if it is not there."""
        return _facts(self.path(name), os.path.normpath(name).replace(os.sep, "/"))

    def below(self, folder: str, *, recurse: bool) -> list[UserFile]:
        """The files in a folder, by their paths below it; raises NotADirectoryError if it is none."""
        root = self.path(folder)
        if not root.is_dir():
            raise NotADirectoryError(folder)
        return [_facts(path, path.relative_to(root).as_posix()) for path in _files(root, recurse)]

    def entries(self, folder: str) -> list[dict[str, Any]]:
        """Files and folders directly in a folder, folders first; none if it is not there."""
        root, own = self.path(folder), self.path("")
        if not root.is_dir():
            return []
        found = []
        for entry in sorted(os.scandir(root), key=lambda entry: (not entry.is_dir(), entry.name)):
            path = Path(entry.path).relative_to(own).as_posix()
            kind: dict[str, Any] = {"name": entry.name, "path": path, "type": "directory" if entry.is_dir() else "file"}
            if not entry.is_dir():
                status = entry.stat()
                kind |= {"size": status.st_size, "modified": status.st_mtime, "created": status.st_ctime}
            found.append(kind)
        return found

    def write(self, name: str, content: bytes, *, overwrite: bool) -> None:
        """Keep a file, wholly or not at all; raises FileExistsError if it is there and must stay."""
        path = self.path(name)
        (uploads.replace if overwrite else uploads.create)(path, content)

    def move(self, name: str, target: str, *, overwrite: bool) -> None:
        """Give a file another name; raises FileNotFoundError and FileExistsError."""
        source, destination = self.path(name), self.path(target)
        if not source.is_file():
            raise FileNotFoundError(name)
        if source == destination:
            return
        destination.parent.mkdir(parents=True, exist_ok=True)
        if overwrite:
            os.replace(source, destination)
        elif take_free_name(source, destination):
            source.unlink(missing_ok=True)
        else:
            raise FileExistsError(target)

    def settings(self) -> dict[str, Any]:
        """All settings of the front end by name."""
        path = self.path(SETTINGS)
        try:
            said = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            logger.error("the settings in %s can't be read (%s); they count as empty until changed", path, error)
            return {}
        return said if isinstance(said, dict) else {}

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Set these settings and leave the others."""
        with self._lock:
            content = dumps({**self.settings(), **changes})
            self.write(SETTINGS, content.encode(), overwrite=True)


def _facts(path: Path, name: str) -> UserFile:
    status = path.stat()
    return UserFile(name, status.st_size, status.st_mtime, status.st_ctime)


def _files(root: Path, recurse: bool) -> Iterator[Path]:
    found = root.rglob("*") if recurse else root.iterdir()
    return (path for path in sorted(found) if path.is_file() and path.resolve().is_relative_to(root.resolve()))
