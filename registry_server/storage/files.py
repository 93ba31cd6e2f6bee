"""Archives in a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from registry_server.errors import BadRequest, NotFound, Unavailable
from registry_server.storage.protocol import CHUNK
from sdk.part_files import remove_stale_parts
from sdk.whole_files import part_file, whole_file


class FileStorage:
    """A folder of files, each written beside its place and moved there.

    Args:
        root: made where missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def put(self, key: str, source: Path) -> None:
        """Store a file's bytes, flushed to the disk before they can be seen."""
        target = self._path(key)
        with _reachable(self.root):
            remove_stale_parts(target.parent)
            with whole_file(target) as part:
                shutil.copyfile(source, part)

    def open(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The bytes from ``start``, in chunks.

        Raises:
            NotFound: there is no such file.
        """
        with _reachable(self.root):
            try:
                reading = self._path(key).open("rb")
            except (FileNotFoundError, IsADirectoryError) as error:
                raise NotFound("stored file", key) from error
        return _chunks(reading, start)

    def size(self, key: str) -> int | None:
        """How many bytes, ``None`` for none."""
        path = self._path(key)
        with _reachable(self.root):
            return path.stat().st_size if path.is_file() else None

    def delete(self, key: str) -> None:
        """Remove the file, if it is there."""
        with _reachable(self.root):
            self._path(key).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All names that begin so, in order."""
        found = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        names = sorted(name for name in found if not name.endswith(".part"))
        return (name for name in names if name.startswith(prefix))

    def check(self) -> None:
        """Return if the folder can be written to."""
        with _reachable(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with part_file(self.root) as part:
                part.touch()

    def _path(self, key: str) -> Path:
        path = Path(os.path.normpath(self.root / key))
        if not path.is_relative_to(self.root) or "\0" in key:
            raise BadRequest(f"{key!r} is no name of a stored file.")
        return path


def _chunks(reading: BinaryIO, start: int) -> Iterator[bytes]:
    with reading:
        reading.seek(start)
        while chunk := reading.read(CHUNK):
            yield chunk


@contextmanager
def _reachable(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"The storage {root} can't be used: {error.strerror or error}.") from error
