"""Remembers what model files are, so that the next process needn't read their headers."""

from __future__ import annotations

import hashlib
import inspect
import logging
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sdk.models import Identity, ModelFamily

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unknown:
    """That no family knows a file: what each said, and what the file holds."""

    refusals: Mapping[str, str]
    holding: str


Answer = Identity | Unknown

_TABLE = "CREATE TABLE IF NOT EXISTS answers (content TEXT PRIMARY KEY, version TEXT, answer TEXT) WITHOUT ROWID"
_SECONDS_TO_WAIT = 1


class IdentityCache:
    """Answers by content key, in memory and, where a path is given, in an SQLite database shared by processes.

    A database that can't be used counts as empty: files can always be identified again. Any thread may use it.

    Args:
        version: of the code that gives the answers; those of another version are forgotten.
    """

    def __init__(self, path: Path | None = None, version: str = "") -> None:
        self._version, self._lock = version, threading.Lock()
        self._answers: dict[str, Answer] = {}
        self._database = None if path is None else _opened(path, version)
        if self._database is not None:
            weakref.finalize(self, self._database.close)
        for content, text in _rows(self._database):
            answer = _parsed(text)
            if answer is not None:
                self._answers[content] = answer

    def get(self, content: str) -> Answer | None:
        """The answer remembered for a content key, if any."""
        return self._answers.get(content)

    def put(self, content: str, answer: Answer) -> None:
        """Remember an answer; one that JSON doesn't keep as it is only in this process."""
        with self._lock:
            self._answers[content] = answer
            text = None if self._database is None else _as_text(answer)
            if self._database is None or text is None:
                return
            try:
                row = (content, self._version, text)
                self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row)
            except sqlite3.Error as error:
                logger.warning("what models are is not remembered any more (%s)", error)
                self._database = None


def open_identity_cache(base_dir: Path, families: Sequence[ModelFamily]) -> IdentityCache:
    """What earlier processes with this base folder found out; of no use to later ones where it doesn't exist."""
    path = base_dir / "cache" / "model_identities.sqlite" if base_dir.is_dir() else None
    return IdentityCache(path, version_of(families))


def version_of(families: Sequence[ModelFamily]) -> str:
    """Changes whenever the code of a family does, or of its neighbours, which families share code with."""
    folders = {folder for family in families for folder in _folders(type(family))}
    sources = sorted(source for folder in folders for source in folder.rglob("*.py"))
    facts = [(str(source), (status := source.stat()).st_mtime_ns, status.st_size) for source in sources]
    named = [(family.name, type(family).__module__) for family in families]
    return hashlib.sha256(repr((named, facts)).encode()).hexdigest()[:32]


def _folders(family: type) -> Iterator[Path]:
    """The family's folder, and the package that it is in."""
    folder = Path(inspect.getfile(family)).parent
    yield folder
    if (folder.parent / "__init__.py").exists():
        yield folder.parent


def _opened(path: Path, version: str) -> sqlite3.Connection | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, _SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA synchronous = OFF")  # what a crash loses is found again
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(_TABLE)
        database.execute("DELETE FROM answers WHERE version != ?", (version,))
    except (OSError, sqlite3.Error) as error:
        logger.warning("%s can't be used to remember what models are (%s)", path, error)
        return None
    return database


def _rows(database: sqlite3.Connection | None) -> Sequence[tuple[str, bytes | str]]:
    try:
        return [] if database is None else database.execute("SELECT content, answer FROM answers").fetchall()
    except sqlite3.Error:
        return []


def _as_text(answer: Answer) -> bytes | None:
    value = {"identity" if isinstance(answer, Identity) else "unknown": vars(answer)}
    try:
        text = orjson.dumps(value)
    except (TypeError, ValueError):
        return None
    return text if _parsed(text) == answer else None


def _parsed(text: bytes | str) -> Answer | None:
    try:
        value: dict[str, Any] = orjson.loads(text)
        if "identity" in value:
            return Identity(**value["identity"])
        return Unknown(**value["unknown"])
    except (ValueError, TypeError, KeyError):
        return None
