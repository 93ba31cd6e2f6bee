"""Mirrors another registry of ours: its packs' documents at once, its archives when somebody asks for one."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urljoin

import httpx
from sqlalchemy.orm import Session

from registry_server.clock import Clock, stamp
from registry_server.db.database import Database
from registry_server.errors import Damaged, Unavailable
from registry_server.index import repository
from registry_server.index.records import node_row
from registry_server.index.service import Indexer
from registry_server.index.tables import MirrorRow
from registry_server.index.upstream import Upstream, root_of
from registry_server.nodes import repository as nodes
from registry_server.nodes.core import core_nodes
from registry_server.nodes.service import claim_rows
from registry_server.packs import repository as packs
from registry_server.packs.archives import REFUSED
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import canonical
from registry_server.storage.protocol import Storage
from sdk.registry import Pack, Release, digest, fold, schemas_path

logger = logging.getLogger(__name__)

PACKS_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class MirrorReport:
    """What a mirroring run did.

    Attributes:
        skipped: packs that this registry has itself.
    """

    serial: int
    packs: int = 0
    releases: int = 0
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Brings packs of other registries here.

    Args:
        workspace: where archives lie until they are verified.
    """

    database: Database
    storage: Storage
    indexer: Indexer
    clock: Clock
    workspace: Path
    client: httpx.Client | None = None

    @cached_property
    def _http(self) -> httpx.Client:
        return self.client or httpx.Client(timeout=60, follow_redirects=True)

    def sync(self, url: str) -> MirrorReport:
        """Bring what has changed there since the last time.

        Raises:
            BadRequest: the address is none, or its index has a format we don't know.
            Unavailable: it can't be reached.
            Damaged: it has changed a version, which must never happen, or a document is not what its digest says.
        """
        root = root_of(url)
        upstream = Upstream(root, self._http, self.workspace)
        config = upstream.config()
        with self.database.read() as session:
            row = session.get(MirrorRow, root)
            cursor = row.serial if row else 0
        if config.serial == cursor:
            return MirrorReport(serial=cursor)
        skipped: list[str] = []
        count = releases = 0
        part: list[Pack] = []
        for pack in upstream.changed(config, cursor):
            part.append(pack)
            if len(part) >= PACKS_AT_ONCE:
                added, left = self._store(upstream, part)
                count, releases, skipped, part = count + len(part), releases + added, skipped + left, []
        added, left = self._store(upstream, part)
        with self.database.write() as session:
            session.merge(MirrorRow(url=root, serial=config.serial, at=stamp(self.clock())))
        report = MirrorReport(
            serial=config.serial,
            packs=count + len(part) - len(skipped) - len(left),
            releases=releases + added,
            skipped=tuple(skipped + left),
        )
        logger.info("mirrored %s up to serial %s: %s packs", root, report.serial, report.packs)
        return report

    def pull(self, release: ReleaseRow) -> None:
        """Store the archive of a mirrored release.

        Raises:
            Unavailable: the other registry does not give it out.
            Damaged: it is not the archive that was announced.
        """
        with tempfile.NamedTemporaryFile(prefix="pull-", dir=self.workspace) as file:
            found, size = hashlib.sha256(), 0
            try:
                with self._http.stream("GET", release.upstream) as answer:
                    answer.raise_for_status()
                    for chunk in answer.iter_bytes():
                        size += len(chunk)
                        found.update(chunk)
                        file.write(chunk)
                        if size > release.size:
                            break
            except httpx.HTTPError as error:
                raise Unavailable(f"The registry that has this archive does not give it out: {error}.") from error
            if size != release.size or found.hexdigest() != release.sha256:
                raise Damaged("The archive that the other registry gave out is not the one it announced.")
            file.flush()
            self.storage.put(release.url, Path(file.name))

    def pull_all(self) -> int:
        """Store the archives of all mirrored releases that are not here yet; how many. Errors as for ``pull``."""
        with self.database.read() as session:
            wanted = [row for row in packs.served_releases(session, REFUSED) if row.upstream]
        missing = [row for row in wanted if self.storage.size(row.url) is None]
        for row in missing:
            self.pull(row)
        return len(missing)

    def _store(self, upstream: Upstream, records: list[Pack]) -> tuple[int, list[str]]:
        schemas = self._missing_schemas(upstream, records)
        added, skipped = 0, []
        with self.database.write() as session:
            repository.lock(session)
            for name, body in schemas.items():
                packs.put_schemas(session, name, body)
            for record in records:
                count = self._store_pack(session, upstream.root, record)
                if count is None:
                    skipped.append(record.id)
                else:
                    added += count
        return added, skipped

    def _missing_schemas(self, upstream: Upstream, records: list[Pack]) -> dict[str, bytes]:
        wanted = {release.schemas for record in records for release in record.releases if release.schemas}
        with self.database.read() as session:
            missing = [name for name in wanted if packs.schemas(session, name) is None]
        found = {}
        for name in missing:
            body = upstream.get(schemas_path(name))
            if digest(body) != name:
                raise Damaged(f"{upstream.root}: the schemas document {name} is not what its name says.")
            found[name] = body
        return found

    def _store_pack(self, session: Session, root: str, record: Pack) -> int | None:
        moment = self.clock()
        origin = f"mirror:{root}"
        pack = packs.pack(session, record.id)
        if pack is not None and pack.origin != origin:
            return None
        if pack is None:
            pack = PackRow(slug=record.id, folded=fold(record.id), origin=origin, created_at=stamp(moment))
            pack.updated_at = stamp(moment)
            session.add(pack)
        _describe(pack, record)
        session.flush()
        known = {row.canonical: row for row in packs.releases(session, pack.id)}
        added = 0
        for release in record.releases:
            row = known.get(canonical(release.version))
            if row is None:
                session.add(_release_row(root, pack, release))
                added += 1
            elif row.sha256 != release.sha256:
                raise Damaged(f"{root} has changed {record.id} {release.version}, which must never happen.")
            else:
                _update(row, release)
        owned = nodes.owners(session, record.owns)
        free = [name for name in record.owns if name not in owned and name not in core_nodes()]
        nodes.take(session, free, pack.id, stamp(moment), "mirrored")
        if record.releases:
            claims = [node_row(claim) for claim in record.releases[-1].nodes]
            nodes.put_claims(session, pack.id, claim_rows(claims), record.releases[-1].version)
        self.indexer.changed(session, moment, pack, "metadata")
        return added


def _describe(pack: PackRow, record: Pack) -> None:
    pack.name, pack.description, pack.author = record.name, record.description, record.publisher
    pack.repository, pack.tags = record.repository, list(record.tags)
    pack.license = json.dumps({"text": record.license}) if record.license else ""
    pack.deprecated = record.deprecated is not None
    pack.deprecation_reason = record.deprecated.reason if record.deprecated else ""
    pack.replacement = record.deprecated.replacement if record.deprecated else ""


def _release_row(root: str, pack: PackRow, release: Release) -> ReleaseRow:
    row = ReleaseRow(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{root}{pack.folded}/{release.version}")),
        pack_id=pack.id,
        version=release.version,
        canonical=canonical(release.version),
        published_at=release.published.replace("Z", ".000000Z"),
        sha256=release.sha256,
        size=release.size,
        url=f"archives/{release.sha256[:2]}/{release.sha256}/{pack.slug}-{release.version}.zip",
        upstream=urljoin(root, release.url),
        nodes=[node_row(claim) for claim in release.nodes],
        findings=[],
        finding_counts=dict(release.findings),
        **{name: getattr(release, name) for name in _SAME},
        **{name: list(getattr(release, name)) for name in _LISTS},
    )
    _update(row, release)
    return row


_SAME = (
    "requires_python",
    "host_api",
    "requires_comfyui",
    "requires_frontend",
    "install_script",
    "nodes_complete",
    "schemas",
)
_LISTS = ("dependencies", "packs", "systems", "accelerators", "permissions")


def _update(row: ReleaseRow, release: Release) -> None:
    row.state, row.reason = release.state, release.reason
    row.deprecated = release.deprecated is not None
    row.deprecation_reason = release.deprecated.reason if release.deprecated else ""
    row.replacement = release.deprecated.replacement if release.deprecated else ""
