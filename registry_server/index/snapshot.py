"""The whole index in one compressed file, for clients that see it for the first time."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import zstandard
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry_server.db.database import Database
from registry_server.index import repository
from registry_server.index.tables import IndexState
from registry_server.storage.protocol import Storage
from sdk.registry import FORMAT, SNAPSHOT_PATH, IndexConfig, encode_config

logger = logging.getLogger(__name__)

LEVEL = 6
LEAST_CHANGES = 200
"""A snapshot is made anew after so many changes, or a twentieth of all packs."""


def snapshot_lines(session: Session, name: str) -> Iterator[bytes]:
    """The configuration, then one pack document a line (NDJSON)."""
    state = repository.state(session)
    config = IndexConfig(format=FORMAT, serial=state.serial, name=name, packs=state.packs, snapshot_serial=state.serial)
    yield encode_config(config) + b"\n"
    for _, _, body in repository.documents(session):
        yield body + b"\n"


def write_snapshot(session: Session, name: str, target: Path) -> int:
    """Write the snapshot to a file; up to which serial it goes.

    The whole of it is read in the caller's one transaction.
    """
    compressor = zstandard.ZstdCompressor(level=LEVEL)
    with target.open("wb") as writing, compressor.stream_writer(writing) as stream:
        for line in snapshot_lines(session, name):
            stream.write(line)
    return repository.state(session).serial


def refresh_snapshot(database: Database, storage: Storage, name: str, workspace: Path, *, force: bool = False) -> int:
    """Make the stored snapshot anew if it is old; up to which serial it goes now."""
    with database.read() as session:
        state = session.scalars(select(IndexState)).one()
        behind = state.serial - state.snapshot_serial
        if behind == 0 or not (force or behind >= max(LEAST_CHANGES, state.packs // 20)):
            return state.snapshot_serial
    with tempfile.TemporaryDirectory(prefix="snapshot-", dir=workspace) as folder:
        target = Path(folder) / "snapshot.json.zst"
        with database.snapshot() as session:
            serial = write_snapshot(session, name, target)
        storage.put(SNAPSHOT_PATH, target)
        size = target.stat().st_size
    with database.write() as session:
        locked = repository.lock(session)
        locked.snapshot_serial = max(locked.snapshot_serial, serial)
    logger.info("the snapshot goes up to serial %s now, %s bytes", serial, size)
    return serial
