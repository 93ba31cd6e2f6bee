"""A registry's index as an SQLite file: what was fetched last, ready to be asked without a network."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from registry_client.errors import InstallFailed, NotWritten
from registry_client.index.protocol import Found, Listing
from registry_client.index.summary import Summary
from sdk.registry import NodeClaim, decode_pack, digest, fold

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packs (
  folded TEXT PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, publisher TEXT NOT NULL, description TEXT NOT NULL,
  version TEXT NOT NULL, words TEXT NOT NULL, digest TEXT NOT NULL, etag TEXT NOT NULL, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS nodes (node TEXT NOT NULL, folded TEXT NOT NULL, title TEXT NOT NULL, code TEXT NOT NULL,
  alias INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS nodes_by_id ON nodes (node);
CREATE INDEX IF NOT EXISTS nodes_by_pack ON nodes (folded);
"""
_COLUMNS = ("folded", "id", "name", "publisher", "description", "version", "words", "digest", "etag", "document")
_PUT_PACK = (
    f"INSERT INTO packs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (folded) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)


class LocalCopy:
    """One registry's packs. ``complete`` once all were fetched; before that, single packs may be here.

    The file is opened for each question and each change, so that threads and programs can share it.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self._path = folder / f"index-{hashlib.sha256(url.encode()).hexdigest()[:24]}.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotWritten(folder, error) from error
        with self._open() as base:
            base.executescript(_TABLES)

    @property
    def serial(self) -> int:
        """Of the newest change that is applied; 0 where nothing was fetched."""
        return int(self.fact("serial") or 0)

    @property
    def complete(self) -> bool:
        """Whether all packs are here."""
        return self.fact("complete") == "1"

    @property
    def age(self) -> float:
        """Seconds since the registry last answered."""
        return max(0.0, time.time() - float(self.fact("checked") or 0))  # clocks are set back now and then

    def fact(self, name: str) -> str:
        """A fact about the copy, "" where it is unknown."""
        with self._open() as base:
            row = base.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def remember(self, **facts: str) -> None:
        """Note facts about the copy."""
        with self._open() as base:
            _remember(base, facts)

    def pack(self, pack_id: str) -> Listing | None:
        """The pack of that id, if it is here."""
        with self._open() as base:
            row = base.execute("SELECT document FROM packs WHERE folded = ?", (fold(pack_id),)).fetchone()
        return Listing(decode_pack(row[0], f"{self.url}: {pack_id}"), self.url) if row else None

    def etag(self, pack_id: str) -> str:
        """With which a single pack was fetched; "" where it was not."""
        with self._open() as base:
            row = base.execute("SELECT etag FROM packs WHERE folded = ?", (fold(pack_id),)).fetchone()
        return str(row[0]) if row else ""

    def digests(self, pack_ids: Iterable[str]) -> dict[str, str]:
        """The digests of these packs' documents, by folded id."""
        with self._open() as base:
            rows = (base.execute("SELECT folded, digest FROM packs WHERE folded = ?", (fold(id_),)) for id_ in pack_ids)
            return dict(row for found in rows for row in found)

    def replace_all(
        self,
        documents: Iterable[bytes],
        changed: Iterable[tuple[bytes, str]] = (),
        removed: Iterable[str] = (),
        **facts: str,
    ) -> None:
        """Put these documents in the place of all that is here and then change them, as by ``put``, in one step."""
        with self._open() as base:
            base.execute("DELETE FROM packs")
            base.execute("DELETE FROM nodes")
            base.execute("DROP INDEX nodes_by_id")
            base.execute("DROP INDEX nodes_by_pack")
            for document in documents:
                summary = Summary.of(document, self.url)
                _put_pack(base, document, summary)
                _add_nodes(base, summary)
            base.execute("CREATE INDEX nodes_by_id ON nodes (node)")
            base.execute("CREATE INDEX nodes_by_pack ON nodes (folded)")
            _put_all(base, changed, removed, self.url)
            _remember(base, facts)

    def put(self, changed: Iterable[tuple[bytes, str]], removed: Iterable[str] = (), **facts: str) -> None:
        """Put documents, each with its etag, and drop packs, in one step."""
        with self._open() as base:
            _put_all(base, changed, removed, self.url)
            _remember(base, facts)

    def providers(self, node_id: str) -> list[Listing]:
        """The packs that provide this node id, or answer to it."""
        with self._open() as base:
            rows = base.execute(
                "SELECT document FROM packs WHERE folded IN (SELECT folded FROM nodes WHERE node = ?) ORDER BY folded",
                (node_id,),
            ).fetchall()
        return [Listing(decode_pack(row[0], self.url), self.url) for row in rows]

    def nodes_like(self, words: str, limit: int) -> dict[str, tuple[Found, list[str]]]:
        """Packs with nodes whose id holds every word, by folded id, with these nodes; the shortest ids come first."""
        wanted = words.split()
        where = " AND ".join(["node LIKE ? ESCAPE '!'"] * len(wanted)) or "0"
        found: dict[str, tuple[Found, list[str]]] = {}
        with self._open() as base:
            rows = base.execute(
                "SELECT folded, id, name, publisher, description, version, node FROM nodes JOIN packs USING (folded) "
                f"WHERE {where} ORDER BY length(node), node, folded",
                [f"%{_escape(word)}%" for word in wanted],
            )
            for folded, id_, name, publisher, about, version, node in rows:
                if folded in found or len(found) < limit:
                    line = Found(
                        id=id_, name=name, publisher=publisher, description=about, version=version, registry=self.url
                    )
                    found.setdefault(folded, (line, []))[1].append(node)
        return found

    def search(self, words: str, limit: int) -> list[Found]:
        """Packs that hold every word: those whose id does come first."""
        wanted = words.lower().split()
        where = " AND ".join(["words LIKE ? ESCAPE '!'"] * len(wanted)) or "1"
        values = [f"%{_escape(word)}%" for word in wanted]
        first = f"%{_escape(words.lower().strip())}%"
        with self._open() as base:
            rows = base.execute(
                f"SELECT id, name, publisher, description, version FROM packs WHERE {where} "
                "ORDER BY folded = ? DESC, folded LIKE ? ESCAPE '!' DESC, folded LIMIT ?",
                (*values, fold(words.strip()), first, limit),
            ).fetchall()
        return [
            Found(id=id_, name=name, publisher=publisher, description=about, version=version, registry=self.url)
            for id_, name, publisher, about, version in rows
        ]

    def claims(self) -> Iterator[tuple[NodeClaim, str]]:
        """Every node of every pack's newest release."""
        with self._open() as base:
            yield from (
                (NodeClaim(id=node, title=title, code=code), pack)
                for node, title, code, pack in base.execute(
                    "SELECT node, title, code, id FROM nodes JOIN packs USING (folded) WHERE alias = 0"
                )
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes happen together, or not at all."""
        try:
            with closing(sqlite3.connect(self._path, timeout=60)) as base, base:
                base.execute("PRAGMA synchronous = NORMAL")
                yield base
        except sqlite3.Error as error:
            raise InstallFailed(
                f"the copy of {self.url}'s index can't be used ({error}). Delete the file {self._path}, and try again."
            ) from error


def _put_all(base: sqlite3.Connection, changed: Iterable[tuple[bytes, str]], removed: Iterable[str], url: str) -> None:
    for document, etag in changed:
        summary = Summary.of(document, url)
        _put_pack(base, document, summary, etag)
        _put_nodes(base, summary)
    for pack_id in removed:
        _drop(base, pack_id)


def _put_pack(base: sqlite3.Connection, document: bytes, summary: Summary, etag: str = "") -> None:
    base.execute(
        _PUT_PACK,
        (
            *(fold(summary.id), summary.id, summary.name, summary.publisher, summary.description),
            *(summary.version, summary.words, digest(document), etag, document),
        ),
    )


def _put_nodes(base: sqlite3.Connection, summary: Summary) -> None:
    """Only where they have changed: most changes leave them alone, and their indexes are large."""
    folded = fold(summary.id)
    known = base.execute("SELECT node, title, code, alias FROM nodes WHERE folded = ?", (folded,)).fetchall()
    if sorted(known) != sorted(summary.nodes):
        base.execute("DELETE FROM nodes WHERE folded = ?", (folded,))
        _add_nodes(base, summary)


def _add_nodes(base: sqlite3.Connection, summary: Summary) -> None:
    folded = fold(summary.id)
    rows = ((node, folded, title, code, alias) for node, title, code, alias in summary.nodes)
    base.executemany("INSERT INTO nodes VALUES (?, ?, ?, ?, ?)", rows)


def _drop(base: sqlite3.Connection, pack_id: str) -> None:
    base.execute("DELETE FROM packs WHERE folded = ?", (fold(pack_id),))
    base.execute("DELETE FROM nodes WHERE folded = ?", (fold(pack_id),))


def _remember(base: sqlite3.Connection, facts: dict[str, str]) -> None:
    base.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())


def _escape(word: str) -> str:
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")
