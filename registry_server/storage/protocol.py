"""What a storage can do; the same tests run on each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

CHUNK = 256 * 1024


class Storage(Protocol):
    """Named bytes that are written once. Keys are relative paths with ``/``. Safe between threads.

    Every method raises ``Unavailable`` where the storage can't be reached or is full.
    """

    def put(self, key: str, source: Path) -> None:
        """Store a file's bytes; they are there wholly or not at all. The file stays."""
        ...

    def open(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The bytes from ``start``, in chunks.

        Raises:
            NotFound: there is nothing of this name; raised at once, not at the first chunk.
        """
        ...

    def size(self, key: str) -> int | None:
        """How many bytes; ``None`` where there is nothing of this name."""
        ...

    def delete(self, key: str) -> None:
        """Remove it, if it is there."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All names that begin so, in order."""
        ...

    def check(self) -> None:
        """Return if the storage answers."""
        ...
