"""One report file: JSON lines, limited in length, that gives up quietly when the disk does."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

logger = logging.getLogger(__name__)

LINES_LIMIT = 10_000
NAME = re.compile(r"\d{8}T\d{6}Z-.+\.jsonl")
_SAME_NAMES_LIMIT = 100


def create_file(folder: Path, job_id: str, now: float) -> IO[str]:
    """A new file named after time and job; a job that runs twice within a second gets a number."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", job_id)[:64]
    for number in range(1, _SAME_NAMES_LIMIT):
        suffix = "" if number == 1 else f"-{number}"
        with suppress(FileExistsError):
            return (folder / f"{stamp}-{safe}{suffix}.jsonl").open("x", encoding="utf-8")
    raise FileExistsError(f"{folder} holds {_SAME_NAMES_LIMIT - 1} reports of job {safe} from one second")


class Journal:
    """The lines about one job. Never raises: what can't be written is logged once and then left out.

    Each line reaches the file at once, so that a report tells something of a process that died.

    Args:
        folder: made if it is missing.
        job_id: any text; it becomes part of the file's name as far as it can.
        now: seconds since 1970.
        limit: the most lines, besides the last.
        create: opens the file.
    """

    def __init__(
        self,
        folder: Path,
        job_id: str,
        now: float,
        *,
        limit: int = LINES_LIMIT,
        create: Callable[[Path, str, float], IO[str]] = create_file,
    ) -> None:
        self._limit, self._lines, self.left_out = limit, 0, 0
        self._file: IO[str] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = create(folder, job_id, now)
        except OSError as error:
            logger.warning("there will be no report of job %s: %s", job_id, error)

    def write(self, event: str, now: float, **facts: Any) -> None:
        """Add a line, or count it where the report is full."""
        if self._lines >= self._limit:
            self.left_out += 1
            return
        self._lines += 1
        self._append({"event": event, "at": round(now, 3), **facts})

    def close(self, event: str, now: float, **facts: Any) -> None:
        """Write the last line, for which there is always room, and close the file."""
        self._append({"event": event, "at": round(now, 3), **facts, "lines_left_out": self.left_out})
        if self._file is not None:
            self._attempt(self._file.close)

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            file, text = self._file, json.dumps(line) + "\n"
            self._attempt(lambda: (file.write(text), file.flush()))

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            file, self._file = self._file, None
            logger.warning("the report %s ends early: %s", file.name if file else "", error)
            if file is not None:
                with suppress(OSError):  # closing writes what is buffered, onto the same full disk
                    file.close()


def prune(folder: Path, keep: int) -> None:
    """Delete the oldest reports until ``keep`` are left; other files are not touched."""
    try:
        for path in list(_oldest_first(folder))[: -keep or None]:
            path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("old reports in %s stay: %s", folder, error)


def newest(folder: Path) -> Path | None:
    """The report of the job that began last; None while there is none."""
    found = list(_oldest_first(folder))
    return found[-1] if found else None


def _oldest_first(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
