"""Writes the whole registry as files that any web server, or ``file://``, can serve."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from registry_server.db.database import Database
from registry_server.errors import NotFound, Unavailable
from registry_server.index import repository
from registry_server.index.channel import channel_files
from registry_server.index.snapshot import write_snapshot
from registry_server.packs import repository as packs
from registry_server.packs.archives import REFUSED
from registry_server.storage.protocol import Storage
from sdk.part_files import remove_stale_parts
from sdk.registry import (
    CHANGES_PER_PAGE,
    CONFIG_PATH,
    FORMAT,
    SNAPSHOT_PATH,
    IndexConfig,
    encode_changes,
    encode_config,
    manifest_path,
    pack_path,
    pinned_pack_path,
    schemas_path,
)
from sdk.whole_files import whole_file, write_whole_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written."""

    serial: int
    packs: int
    archives: int
    missing: tuple[str, ...]


def export(
    database: Database, storage: Storage, name: str, target: Path, *, archives: bool = True, channel: bool = True
) -> ExportReport:
    """Write everything into a folder; what is there already and can't have changed stays.

    Each file is written whole or not at all, and the configuration last: a client that reads meanwhile sees the old
    index or the new one.

    Raises:
        Unavailable: the folder can't be written to.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for folder, _, names in os.walk(target):
            remove_stale_parts(Path(folder), names)
        with database.snapshot() as session:
            state = repository.state(session)
            serial, count = state.serial, state.packs
            _write_packs(session, target)
            _write_changes(session, serial, target)
            _write_snapshot(session, name, target)
            _write_schemas(session, target)
            copied, missing = _copy_archives(session, storage, target) if archives else (0, [])
        if channel:
            for file, make in channel_files(database).items():
                _write(target / file, make(serial))
        config = IndexConfig(format=FORMAT, serial=serial, name=name, packs=count, snapshot_serial=serial)
        _write(target / CONFIG_PATH, encode_config(config))
    except OSError as error:
        raise Unavailable(f"{target} can't be written to: {error.strerror or error}.") from error
    return ExportReport(serial=serial, packs=count, archives=copied, missing=tuple(missing))


def _write_packs(session: Session, target: Path) -> None:
    manifests: dict[str, list[str]] = {}
    for folded, name, body in repository.documents(session):
        path = target / pack_path(folded)
        _write(path, body)
        _write(target / pinned_pack_path(folded, name), body, fixed=True)
        manifests.setdefault(path.parent.name, []).append(f'"{folded}":"{name}"')
    for shard, entries in manifests.items():
        _write(target / manifest_path(shard), f"{{{','.join(sorted(entries))}}}".encode())


def _write_changes(session: Session, serial: int, target: Path) -> None:
    for first in range(0, max(serial, 1), CHANGES_PER_PAGE):
        page = repository.changes(session, first, CHANGES_PER_PAGE)
        path = target / "index" / "changes" / f"{first // CHANGES_PER_PAGE}.json"
        _write(path, encode_changes(page), fixed=len(page) == CHANGES_PER_PAGE)


def _write_snapshot(session: Session, name: str, target: Path) -> None:
    with whole_file(target / SNAPSHOT_PATH, durable=False) as part:
        write_snapshot(session, name, part)


def _write_schemas(session: Session, target: Path) -> None:
    for name in packs.schema_digests(session):
        path = target / schemas_path(name)
        body = None if path.exists() else packs.schemas(session, name)
        if body is not None:
            _write(path, body)


def _copy_archives(session: Session, storage: Storage, target: Path) -> tuple[int, list[str]]:
    copied, missing = 0, []
    for release in packs.served_releases(session, REFUSED):
        path = target / release.url
        if path.exists() and path.stat().st_size == release.size:
            continue
        try:
            chunks = storage.open(release.url)
        except NotFound:
            missing.append(release.url)
            continue
        write_whole_file(path, chunks, durable=False)
        copied += 1
    return copied, missing


def _write(path: Path, body: bytes, *, fixed: bool = False) -> None:
    if not (fixed and path.exists()):
        write_whole_file(path, [body], durable=False)
