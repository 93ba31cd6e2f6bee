"""Fills an empty registry with as many packs as one likes: four versions and ten nodes each on the average.

``python -m benchmarks.registry_seed DIR --packs 100000``. Rows are inserted in bulk, without indexes, which are made
afterwards; the documents are the very ones that publishing would have made. The same number gives the same registry.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Table, event, insert, text
from sqlalchemy.orm import Session

from registry_server.accounts.tables import Publisher
from registry_server.clock import stamp, to_seconds
from registry_server.db.database import Database
from registry_server.db.migrate import migrate
from registry_server.db.tables import metadata
from registry_server.index.tables import ChangeRow, PackDocument
from registry_server.nodes.shapes import bands
from registry_server.nodes.tables import CodeBand, CodeShape, NodeClaimRow, NodeOwner
from registry_server.packs.tables import Label, PackRow, ReleaseRow
from registry_server.search.postgres import PostgresSearch
from registry_server.search.query import Search, SearchText, searchable_nodes
from registry_server.search.sqlite import SqliteSearch
from sdk.registry import NodeClaim, Pack, Release, digest, encode_pack, shard

PACKS_AT_ONCE = 1000
PACKS_PER_PUBLISHER = 5
SYLLABLES = re.findall("..", "kalomiratevispogradefushonitrabequizaosplederumusivohetalunirobasetonuwikyde")
WORDS = 20_000
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class Rows:
    """Rows of some packs, by table."""

    publishers: list[dict[str, Any]] = field(default_factory=list)
    packs: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    owners: list[dict[str, Any]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    shapes: list[dict[str, Any]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    texts: list[tuple[int, SearchText]] = field(default_factory=list)


class Generator:
    """Makes packs. Words are as unevenly frequent as in a language (Zipf)."""

    def __init__(self, packs: int) -> None:
        self._packs = packs
        self._numbers = random.Random(packs)
        self._words = ["".join(self._numbers.choices(SYLLABLES, k=self._numbers.randint(2, 4))) for _ in range(WORDS)]
        weights = np.cumsum(1.0 / np.arange(1, WORDS + 1))
        self._weights: list[float] = weights.tolist()
        self._serial = self._node = 0

    @property
    def words(self) -> list[str]:
        """The vocabulary, frequent words first."""
        return self._words

    def rows(self, first: int, count: int) -> Rows:
        """The packs with these numbers, from 1 on."""
        rows = Rows()
        for number in range(first, first + count):
            self._pack(rows, number)
        return rows

    def _text(self, count: int) -> str:
        return " ".join(self._numbers.choices(self._words, cum_weights=self._weights, k=count))

    def _pack(self, rows: Rows, number: int) -> None:
        name, description, tags = self._text(2), self._text(14), self._text(2).split()
        slug = f"{name.replace(' ', '-')}-{number}"
        publisher = f"publisher-{(number - 1) // PACKS_PER_PUBLISHER}"
        at = stamp(BEGIN + timedelta(minutes=number))
        if (number - 1) % PACKS_PER_PUBLISHER == 0:
            rows.publishers.append(_publisher(publisher, at))
        nodes = [self._claim(rows, number, at) for _ in range(1 + (number * 7) % 19)]
        releases = [self._release(rows, number, slug, minor, nodes, at) for minor in range(1 + number % 7)]
        owns = tuple(sorted(node.id for node in nodes))
        pack = Pack(
            id=slug, name=name.title(), publisher=publisher, description=description, license="MIT",
            repository=f"https://example.com/{slug}", tags=tuple(tags), owns=owns, releases=tuple(releases),
        )  # fmt: skip
        body = encode_pack(pack)
        for release in releases:
            self._serial += 1
            rows.changes.append(
                {
                    "serial": self._serial, "kind": "published", "pack": slug, "version": release.version,
                    "digest": digest(body), "at": at,
                }
            )  # fmt: skip
        rows.documents.append(
            {
                "folded": slug, "serial": self._serial, "shard": shard(slug), "digest": digest(body),
                "current": True, "at": at, "body": body,
            }
        )  # fmt: skip
        downloads = int(1_000_000 / number)
        rows.packs.append(
            {
                "id": number, "slug": slug, "folded": slug, "publisher_id": publisher, "name": pack.name,
                "description": description, "license": '{"text": "MIT"}', "repository": pack.repository, "tags": tags,
                "downloads": downloads, "created_at": at, "updated_at": at, "latest_id": rows.releases[-1]["id"],
            }
        )  # fmt: skip
        rows.labels += [{"pack_id": number, "kind": "tag", "value": tag} for tag in set(tags)]
        found_by = SearchText(
            slug=slug, name=pack.name, description=description, publisher=publisher, tags=" ".join(tags),
            nodes=searchable_nodes(owns),
        )  # fmt: skip
        rows.texts.append((number, found_by))

    def _claim(self, rows: Rows, pack: int, at: str) -> NodeClaim:
        self._node += 1
        node_id = f"{self._text(2).title().replace(' ', '')}{self._node}"
        code = hashlib.sha256(node_id.encode()).hexdigest()
        rows.owners.append({"node_id": node_id, "pack_id": pack, "since": at})
        rows.claims.append(
            {
                "node_id": node_id, "pack_id": pack, "folded": node_id.lower(), "title": node_id, "code": code,
                "first_version": "1.0.0", "last_version": "1.0.0", "listed": True,
            }
        )  # fmt: skip
        rows.shapes.append({"id": self._node, "code": code, "signature": self._numbers.randbytes(512)})
        return NodeClaim(id=node_id, title=node_id, code=code)

    def _release(
        self, rows: Rows, pack: int, slug: str, minor: int, nodes: list[NodeClaim], at: str
    ) -> Release:  # fmt: skip
        version = f"1.{minor}.0"
        sha256 = hashlib.sha256(f"{slug} {version}".encode()).hexdigest()
        url = f"archives/{sha256[:2]}/{sha256}/{slug}-{version}.zip"
        release = Release(
            version=version, sha256=sha256, size=100_000, url=url, published=to_seconds(at),
            requires_python=">=3.10", dependencies=("numpy>=1.26",), nodes=tuple(nodes),
        )  # fmt: skip
        rows.releases.append(
            {
                "id": str(uuid.UUID(bytes=self._numbers.randbytes(16))), "pack_id": pack, "version": version,
                "canonical": f"1.{minor}" if minor else "1", "state": "active", "published_at": at, "sha256": sha256,
                "size": release.size, "url": url, "requires_python": ">=3.10", "dependencies": ["numpy>=1.26"],
                "nodes": [{"id": node.id, "title": node.title, "code": node.code} for node in nodes],
            }
        )  # fmt: skip
        return release


def seed(folder: Path, packs: int, database_url: str = "") -> None:
    """Make a registry of so many packs in a folder, or in an empty database."""
    folder.mkdir(parents=True, exist_ok=True)
    database = Database(database_url or f"sqlite:///{folder / 'registry.sqlite3'}")
    event.listen(database.engine, "connect", _hurry)
    migrate(database)
    search: Search = SqliteSearch() if database.is_sqlite else PostgresSearch()
    generator = Generator(packs)
    indexes = [index for table in metadata().sorted_tables for index in table.indexes]
    with database.write() as session:
        for index in indexes:
            index.drop(session.connection())
    for first in range(1, packs + 1, PACKS_AT_ONCE):
        with database.write() as session:
            _insert(session, search, generator.rows(first, min(PACKS_AT_ONCE, packs + 1 - first)))
    with database.write() as session:
        _insert_bands(session)
    with database.write() as session:
        for index in indexes:
            index.create(session.connection())
        state = "UPDATE index_state SET packs = :packs, serial = (SELECT max(serial) FROM changes)"
        session.execute(text(state), {"packs": packs})
        _number_on(session, database)
    with database.write() as session:
        session.execute(text("ANALYZE"))
    database.close()


def _hurry(connection: Any, _record: object) -> None:
    """Of SQLite: nobody else is there, and what breaks off is made anew."""
    if isinstance(connection, sqlite3.Connection):
        for pragma in ("foreign_keys=OFF", "synchronous=OFF", "cache_size=-1000000"):
            connection.execute(f"PRAGMA {pragma}")


def _insert(session: Session, search: Search, rows: Rows) -> None:
    for table, part in (
        (Publisher, rows.publishers), (PackRow, rows.packs), (ReleaseRow, rows.releases), (Label, rows.labels),
        (NodeOwner, rows.owners), (NodeClaimRow, rows.claims), (CodeShape, rows.shapes),
        (PackDocument, rows.documents), (ChangeRow, rows.changes),
    ):  # fmt: skip
        if part:
            assert isinstance(table.__table__, Table)
            session.execute(insert(table.__table__), part)
    for pack_id, found_by in rows.texts:
        search.put(session, pack_id, found_by)


def _insert_bands(session: Session) -> None:
    """In the order of the buckets, as a tree of a hundred million random numbers grows slowly."""
    buckets: list[np.ndarray] = []
    ids: list[np.ndarray] = []
    found = session.execute(text("SELECT id, signature FROM code_shapes ORDER BY id"))
    for part in found.partitions(10_000):
        buckets.append(np.array([bands(bytes(row[1])) for row in part], np.int64).ravel())
        ids.append(np.repeat(np.array([row[0] for row in part], np.int32), len(buckets[-1]) // len(part)))
    bucket, number = np.concatenate(buckets), np.concatenate(ids)
    order = np.argsort(bucket)
    pairs = zip(map(int, bucket[order]), map(int, number[order]), strict=True)
    for rows in _parts(pairs, 50_000):
        session.execute(insert(CodeBand), [{"bucket": one, "shape_id": other} for one, other in rows])


def _parts(items: Iterator[tuple[int, int]], count: int) -> Iterator[list[tuple[int, int]]]:
    while part := list(islice(items, count)):
        yield part


def _number_on(session: Session, database: Database) -> None:
    """PostgreSQL counts ids apart from the rows."""
    if not database.is_sqlite:
        for table in ("packs", "code_shapes"):
            session.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
            )


def _publisher(publisher_id: str, at: str) -> dict[str, Any]:
    return {"id": publisher_id, "folded": publisher_id, "name": publisher_id.title(), "created_at": at}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--packs", type=int, default=100_000)
    parser.add_argument("--database-url", default="")
    options = parser.parse_args()
    began = time.perf_counter()
    seed(options.folder, options.packs, options.database_url)
    print(f"{options.packs} packs in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
