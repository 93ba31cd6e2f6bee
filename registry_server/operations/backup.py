"""Saves a registry into one file and brings it back, also from SQLite to PostgreSQL or the other way round.

The file is a tar archive: ``backup.json``, ``tables/<name>.ndjson`` (one row a line), ``archives/…``, ``secret``.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import LargeBinary, Table, func, insert, select, text
from sqlalchemy.orm import Session

from registry_server.db.database import Database
from registry_server.db.tables import metadata
from registry_server.errors import BadRequest, Conflict, Damaged, NotFound, Unavailable
from registry_server.index.service import search_text
from registry_server.packs import repository as packs
from registry_server.packs.tables import PackRow
from registry_server.publishing.signing import keep_secret
from registry_server.search.query import Search
from registry_server.storage.protocol import Storage
from sdk.part_files import remove_stale_parts
from sdk.whole_files import whole_file

FORMAT = 1
ROWS_AT_ONCE = 500
_OWNER_ALONE = 0o600
_SEEDED = ("index_state",)
"""Tables in which the first migration puts a row."""


@dataclass(frozen=True, kw_only=True)
class BackupReport:
    """What was saved or brought back."""

    rows: int
    archives: int
    missing: tuple[str, ...] = ()


def backup(database: Database, storage: Storage, secret: Path, target: Path) -> BackupReport:
    """Save everything into ``target``, which appears once it is whole.

    The tables are read in one transaction; a release whose archive the storage has lost is reported, not an error.

    Raises:
        Conflict: the file is there already.
        Unavailable: it can't be written, or database or storage can't be read.
    """
    if target.exists():
        raise Conflict(f"{target} is there already; give another name.")
    remove_stale_parts(target.parent)
    try:
        with whole_file(target) as part:
            part.touch(_OWNER_ALONE)  # the secret is in it
            with tarfile.open(part, "w") as tar:
                report = _save(database, storage, secret, tar)
    except OSError as error:
        raise Unavailable(f"{target} can't be written: {error.strerror or error}.") from error
    return report


def restore(database: Database, storage: Storage, search: Search, secret: Path, source: Path) -> BackupReport:
    """Fill an empty registry with what was saved.

    Raises:
        Conflict: the registry is not empty, or the backup is of another schema.
        BadRequest: the file is no backup.
        Damaged: it was cut off.
    """
    try:
        with tarfile.open(source, "r") as tar:
            return _load(database, storage, search, secret, tar)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Damaged(f"{source} is no whole backup: {error}.") from error
    except OSError as error:
        raise BadRequest(f"{source} can't be read: {error.strerror or error}.") from error


def _save(database: Database, storage: Storage, secret: Path, tar: tarfile.TarFile) -> BackupReport:
    count, copied, missing = 0, 0, []
    with database.snapshot() as session:
        about = {"format": FORMAT, "schema": MigrationContext.configure(session.connection()).get_current_revision()}
        _add(tar, "backup.json", json.dumps(about).encode())
        for table in metadata().sorted_tables:
            with tempfile.TemporaryFile() as file:
                for line in _lines(session, table):
                    file.write(line)
                    count += 1
                _add_file(tar, f"tables/{table.name}.ndjson", file)
        urls = [row[4] for row in packs.archives(session)]
    if secret.exists():
        _add(tar, "secret", secret.read_bytes())
    for url in dict.fromkeys(urls):
        try:
            chunks = storage.open(url)
        except NotFound:
            missing.append(url)
            continue
        with tempfile.TemporaryFile() as file:
            file.writelines(chunks)
            _add_file(tar, url, file)
        copied += 1
    return BackupReport(rows=count, archives=copied, missing=tuple(missing))


def _load(database: Database, storage: Storage, search: Search, secret: Path, tar: tarfile.TarFile) -> BackupReport:
    rows = copied = 0
    with database.write() as session:
        _check_empty(session)
        tables = {table.name: table for table in metadata().sorted_tables}
        about = json.loads(_member(tar, "backup.json").read())
        schema = MigrationContext.configure(session.connection()).get_current_revision()
        if about.get("format") != FORMAT or about.get("schema") != schema:
            raise Conflict(
                f"The backup is of schema {about.get('schema')}, this program has {schema}: restore it with the "
                "version that made it, then update."
            )
        for name, table in tables.items():
            if name in _SEEDED:
                session.execute(table.delete())
            rows += _insert(session, table, _member(tar, f"tables/{name}.ndjson"))
        _continue_numbers(session, database, tables)
        _index_texts(session, search)
        for member in tar:
            if member.name.startswith("archives/") and member.isfile():
                _store(storage, tar, member)
                copied += 1
    kept = _member(tar, "secret", required=False)
    if kept is not None:
        keep_secret(secret, kept.read())
    return BackupReport(rows=rows, archives=copied)


def _lines(session: Session, table: Table) -> Iterator[bytes]:
    for row in session.execute(select(table), execution_options={"yield_per": ROWS_AT_ONCE}).mappings():
        yield json.dumps({key: _plain(value) for key, value in row.items()}, ensure_ascii=False).encode() + b"\n"


def _plain(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _insert(session: Session, table: Table, lines: IO[bytes]) -> int:
    blobs = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
    part: list[dict[str, Any]] = []
    count = 0
    for line in lines:
        row = json.loads(line)
        part.append(row | {name: base64.b64decode(row[name]["base64"]) for name in blobs})
        if len(part) == ROWS_AT_ONCE:
            session.execute(insert(table), part)
            count, part = count + len(part), []
    if part:
        session.execute(insert(table), part)
    return count + len(part)


def _continue_numbers(session: Session, database: Database, tables: Mapping[str, Table]) -> None:
    """PostgreSQL counts ids apart from the rows."""
    if database.is_sqlite:
        return
    for name, table in tables.items():
        column = table.autoincrement_column
        if column is not None:
            session.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{name}', '{column.name}'), "
                    f"(SELECT coalesce(max({column.name}), 0) + 1 FROM {name}), false)"
                )
            )


def _index_texts(session: Session, search: Search) -> None:
    for pack in session.scalars(select(PackRow).where(PackRow.status == "active")):
        search.put(session, pack.id, search_text(session, pack))


def _check_empty(session: Session) -> None:
    if session.scalar(select(func.count()).select_from(PackRow)):
        raise Conflict("The registry is not empty; restore into an empty one.")


def _store(storage: Storage, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    with tempfile.NamedTemporaryFile() as file:
        reading = tar.extractfile(member)
        assert reading is not None
        file.writelines(reading)
        file.flush()
        storage.put(member.name, Path(file.name))


def _member(tar: tarfile.TarFile, name: str, *, required: bool = True) -> IO[bytes]:
    try:
        found = tar.extractfile(name)
    except KeyError:
        found = None
    if found is None and required:
        raise BadRequest(f"This is no backup of a registry: it has no {name}.")
    return found  # type: ignore[return-value]


def _add(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(body)
    tar.addfile(info, io.BytesIO(body))


def _add_file(tar: tarfile.TarFile, name: str, file: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size = file.tell()
    file.seek(0)
    tar.addfile(info, file)
