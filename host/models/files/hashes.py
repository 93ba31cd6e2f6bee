"""Remembers SHA-256 sums of files, so that a file of gigabytes is read for its sum once."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sdk.whole_files import write_whole_file

_SUM = re.compile(r"[0-9a-f]{64}")


class HashCache:
    """SHA-256 sums by file identity, in memory and, where a path is given, in a JSON file.

    A file that can't be read or is damaged counts as empty: sums can always be computed again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._sums = {} if path is None else _read(path)

    def get(self, identity: str) -> str | None:
        """The sum remembered for an identity, if any."""
        return self._sums.get(identity)

    def put(self, identity: str, sum_: str) -> None:
        """Remember a sum; the file is replaced as a whole, so that no reader sees half of it."""
        self._sums[identity] = sum_
        if self._path is None:
            return
        content = json.dumps(_read(self._path) | self._sums).encode()
        write_whole_file(self._path, [content], durable=False)


def _read(path: Path) -> dict[str, str]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str) and _SUM.fullmatch(text)}
