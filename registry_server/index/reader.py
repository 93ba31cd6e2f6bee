"""Reads the index's documents without the ORM: from memory, else with one query.

What is in memory is right as long as the index's serial is the same. Whether it may have changed is asked cheaply: of
SQLite with a pragma, of PostgreSQL once a second (and after each of this process's own transactions).
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from registry_server.db.database import Database
from registry_server.errors import Unavailable
from registry_server.index.bundles import MOST_BUNDLED, bundle
from registry_server.index.changes import decode_change_row
from registry_server.index.documents import BUNDLE, FOREVER, Prepared, prepare
from sdk.registry import CHANGES_PER_PAGE, FORMAT, IndexConfig, digest, encode_changes, encode_config

MOST_BYTES = 32 * 2**20
MOST_CHANGES = 10_000
_PACK = re.compile(r"index/packs/[0-9a-f]{2}/([A-Za-z0-9%-]{1,120})(?:\.([0-9a-f]{16}))?\.json")
_PAGE = re.compile(r"index/changes/(\d{1,9})\.json")
_MANIFEST = re.compile(r"index/manifest/([0-9a-f]{2})\.json")
_SCHEMAS = re.compile(r"index/schemas/[0-9a-f]{2}/([0-9a-f]{64})\.json")

Extra = Callable[[int], bytes]
Answer = TypeVar("Answer")


class DocumentReader:
    """The documents by path. ``peek`` is for the event loop, ``read`` for threads; the lock guards the connection.

    Args:
        name: of the registry.
        api: the API's root as clients see it; "" lets them use the address they asked.
        extras: documents made of the whole index, by path; each is made anew when the serial changes.
    """

    def __init__(self, database: Database, name: str, api: str, extras: Mapping[str, Extra] | None = None) -> None:
        self._database, self._name, self._api = database, name, api
        self._extras = dict(extras or {})
        self._lock = threading.RLock()
        self._connection: Any = None
        self._token: tuple[int, int] = (-1, -1)
        self._state: tuple[int, int, int, str] = (-1, 0, 0, "")
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._bytes = 0

    def peek(self, path: str) -> Prepared | None:
        """The document, if it can be had at once: it is in memory and still right, or is one row of an SQLite file."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if self._database.is_sqlite and _PACK.fullmatch(path):
                return self.read(path)
            found = self._kept.get(path)
            if found is None or self._connection is None or self._now() != self._token:
                return None
            return found
        except (Unavailable, self._database.driver_error):
            return None
        finally:
            self._lock.release()

    def read(self, path: str) -> Prepared | None:
        """The document; ``None`` where there is none of this path.

        Raises:
            Unavailable: the database can't be reached.
        """
        return self._asked(lambda: self._found(path))

    def changes(self, since: int) -> Prepared:
        """The changes after a serial, ``MOST_CHANGES`` of them at most. Raises as ``read``."""
        rows, at = self._asked(lambda: (self._change_rows(since, MOST_CHANGES), self._state[3]))
        body = encode_changes(map(decode_change_row, rows))
        return prepare(body, f"{since}-{rows[-1][0] if rows else since}", at)

    def changes_and_documents(self, since: int) -> Prepared:
        """The same, fewer of them, with the documents they led to (see ``bundles``). Raises as ``read``."""
        body, state = self._asked(lambda: (bundle(self._change_rows(since, MOST_BUNDLED), self._rows), self._state))
        return prepare(body, f"{since}-{state[0]}-documents", state[3], kind=BUNDLE)

    @property
    def serial(self) -> int:
        """Of the newest change that was seen."""
        return self._state[0]

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._close()

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """What the database says; over a new connection where a server has closed the former one meanwhile."""
        with self._lock:
            may_be_closed = self._connection is not None and not self._database.is_sqlite
            try:
                self._refresh()
                return ask()
            except (DBAPIError, self._database.driver_error) as error:
                self._close()
                if may_be_closed:
                    return self._asked(ask)
                raise Unavailable("The index can't be read at the moment; try again.") from error

    def _found(self, path: str) -> Prepared | None:
        found = self._kept.get(path) or self._make(path)
        if found is not None:
            self._keep(path, found)
        return found

    def _make(self, path: str) -> Prepared | None:
        serial, _, _, at = self._state
        if path == "index/config.json":
            return self._config()
        if path in self._extras:
            body = self._extras[path](serial)
            return prepare(body, digest(body)[:32], at)
        for pattern, make in (
            (_PACK, self._pack),
            (_PAGE, self._page),
            (_MANIFEST, self._manifest),
            (_SCHEMAS, self._schemas),
        ):
            found = pattern.fullmatch(path)
            if found:
                return make(*found.groups())
        return None

    def _config(self) -> Prepared:
        serial, snapshot, packs, at = self._state
        config = IndexConfig(
            format=FORMAT, serial=serial, name=self._name, packs=packs, snapshot_serial=snapshot, api=self._api
        )
        body = encode_config(config)
        return prepare(body, digest(body)[:32], at)

    def _pack(self, folded: str, pinned: str | None) -> Prepared | None:
        if pinned is None:
            rows = self._rows(
                "SELECT digest, body, at FROM pack_documents WHERE folded = ? AND current = ?", folded, True
            )
        else:
            rows = self._rows("SELECT digest, body, at FROM pack_documents WHERE folded = ?", folded)
            rows = [row for row in rows if row[0].startswith(pinned)]
        if not rows:
            return None
        name, body, at = rows[0]
        return prepare(bytes(body), name, at, **({"cache": FOREVER} if pinned else {}))

    def _page(self, number: str) -> Prepared | None:
        first = int(number) * CHANGES_PER_PAGE
        rows = self._change_rows(first, CHANGES_PER_PAGE)
        if not rows:
            return None
        body = encode_changes(map(decode_change_row, rows))
        full = {"cache": FOREVER} if len(rows) == CHANGES_PER_PAGE else {}
        return prepare(body, f"{number}-{rows[-1][0]}", rows[-1][5], **full)

    def _change_rows(self, since: int, limit: int) -> list[Any]:
        return self._rows(
            "SELECT serial, kind, pack, version, digest, at FROM changes WHERE serial > ? ORDER BY serial LIMIT ?",
            since,
            limit,
        )

    def _manifest(self, shard: str) -> Prepared:
        rows = self._rows("SELECT folded, digest FROM pack_documents WHERE shard = ? AND current = ?", shard, True)
        listed = ",".join(f'"{folded}":"{name}"' for folded, name in sorted(rows))
        body = f"{{{listed}}}".encode()
        return prepare(body, digest(body)[:32], self._state[3])

    def _schemas(self, name: str) -> Prepared | None:
        rows = self._rows("SELECT body FROM schemas WHERE digest = ?", name)
        return prepare(bytes(rows[0][0]), name, "", cache=FOREVER) if rows else None

    def _refresh(self) -> None:
        token = self._now()
        if token == self._token:
            return
        state = self._rows("SELECT serial, snapshot_serial, packs FROM index_state WHERE id = ?", 1)[0]
        if tuple(state) != self._state[:3]:
            newest = self._rows("SELECT at FROM changes WHERE serial = ?", state[0])
            self._state = (state[0], state[1], state[2], newest[0][0] if newest else "")
            self._kept.clear()
            self._bytes = 0
        self._token = token

    def _now(self) -> tuple[int, int]:
        """Equal to an earlier value only if nothing can have changed, or hardly."""
        if self._database.is_sqlite:
            return self._database.writes, self._data_version()
        return self._database.writes, int(time.monotonic())

    def _data_version(self) -> int:
        if self._connection is None:
            return -1
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _rows(self, query: str, *values: object) -> list[Any]:
        if self._connection is None:
            self._connection = self._database.raw_connection()
        if self._database.is_sqlite:
            return list(self._connection.execute(query, values).fetchall())
        return list(self._connection.execute(query.replace("?", "%s"), values).fetchall())

    def _keep(self, path: str, document: Prepared) -> None:
        if path not in self._kept:
            self._bytes += len(document.body)
        self._kept[path] = document
        self._kept.move_to_end(path)
        while self._bytes > MOST_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._token = None, (-1, -1)
