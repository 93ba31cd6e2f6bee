"""Publishes versions: announced first and uploaded to a signed address, or in one request.

A release exists once its archive is stored and one transaction has written everything about it. Before that there is
at most an announcement, which nobody sees.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry_server.accounts import repository as accounts
from registry_server.accounts.identity import Identity
from registry_server.accounts.service import may_publish
from registry_server.accounts.tables import Publisher
from registry_server.audit.repository import record
from registry_server.clock import Clock, stamp
from registry_server.db.database import Database
from registry_server.errors import Banned, Conflict, Forbidden, NotFound, RegistryError, UploadRefused, VersionExists
from registry_server.index import repository as index
from registry_server.index.service import Indexer
from registry_server.nodes import repository as nodes
from registry_server.nodes.duplicates import duplicates_of
from registry_server.nodes.service import claim_rows, take_ownership
from registry_server.packs import repository as packs
from registry_server.packs.service import check_distinct
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import canonical, oldest_first
from registry_server.publishing import repository
from registry_server.publishing.candidate import (
    Candidate,
    check_candidate,
    describe_pack,
    first_state,
    release_row,
    schemas_document,
)
from registry_server.publishing.signing import Signer
from registry_server.publishing.tables import Upload
from registry_server.scanning.examined import Examiner
from registry_server.settings import Review
from registry_server.storage.protocol import Storage
from sdk.registry import fold

logger = logging.getLogger(__name__)

SECONDS_A_USED_UPLOAD_IS_KNOWN = 86_400


@dataclass(frozen=True, kw_only=True)
class Published:
    """A release as it was just made.

    Attributes:
        duplicates: packs with the same node code, or nearly so.
    """

    pack: PackRow
    release: ReleaseRow
    nodes: tuple[str, ...]
    findings: tuple[dict[str, Any], ...]
    unread: tuple[dict[str, Any], ...]
    duplicates: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """Takes versions in.

    Args:
        upload_seconds: how long an upload address is valid.
        review: which releases wait for an admin.
    """

    database: Database
    storage: Storage
    examiner: Examiner
    indexer: Indexer
    signer: Signer
    clock: Clock
    upload_seconds: int = 900
    review: Review = field(default=Review.NONE)

    def announce(
        self, who: Identity, publisher_id: str, slug: str, version: str, announced: dict[str, Any]
    ) -> tuple[Upload, int]:
        """Note that a version will come; the announcement, and until when (seconds since 1970) its address is valid.

        Raises:
            NotFound: there is no such publisher.
            Forbidden: the token, the publisher or the pack is not for this.
            VersionExists: it is there already.
        """
        moment = self.clock()
        ends = moment + timedelta(seconds=self.upload_seconds)
        with self.database.write() as session:
            publisher = _publisher(session, publisher_id)
            may_publish(session, who, publisher, slug)
            _check_free(session, publisher, slug, version)
            repository.forget_expired(session, stamp(moment - timedelta(seconds=SECONDS_A_USED_UPLOAD_IS_KNOWN)))
            upload = Upload(
                id=str(uuid.uuid4()),
                publisher_id=publisher.id,
                slug=slug,
                version=version,
                announced=announced,
                actor=who.actor,
                created_at=stamp(moment),
                expires_at=stamp(ends),
            )
            session.add(upload)
        return upload, int(ends.timestamp())

    def check_upload(self, upload_id: str, expires: int, signature: str) -> None:
        """Return if an archive may be sent to this address; asked before its bytes are taken.

        Raises:
            UploadRefused: the address is forged, expired or used.
            VersionExists: another upload of this version was faster.
        """
        self.signer.check(upload_id, expires, signature, self.clock())
        with self.database.read() as session:
            upload = _open_upload(session, upload_id)
            _check_free(session, _publisher(session, upload.publisher_id), upload.slug, upload.version)

    def finish_upload(self, upload_id: str, archive: Path) -> Published:
        """Publish the version that was announced under this id.

        Raises:
            BadArchive: the archive can't be used, or is not the announced version.
            NodeOwned: node ids of it are others'.
            VersionExists, UploadRefused, Forbidden, Banned: as before; things may have changed meanwhile.
        """
        with self.database.read() as session:
            upload = _open_upload(session, upload_id)
            session.expunge(upload)
        candidate = Candidate(
            id=upload.id,
            publisher_id=upload.publisher_id,
            examined=self.examiner.examine(archive),
            changelog=str(upload.announced.get("changelog", "")),
            announced=(upload.slug, upload.version),
        )
        return self._publish(candidate, archive, upload.actor, upload.id)

    def publish(self, who: Identity, archive: Path, changelog: str = "") -> Published:
        """Publish an archive at once; errors as for ``announce`` and ``finish_upload``."""
        examined = self.examiner.examine(archive)
        named = examined.manifest.publisher
        if who.publisher and named and fold(named) != fold(who.publisher):
            raise Forbidden(f"The pack's PublisherId is {named!r}, but this token is {who.publisher!r}'s.")
        provenance = {"trusted": who.provenance} if who.provenance else {}
        with self.database.read() as session:
            publisher = _publisher(session, who.publisher or named)
            may_publish(session, who, publisher, examined.manifest.name)
        candidate = Candidate(
            id=str(uuid.uuid4()),
            publisher_id=publisher.id,
            examined=examined,
            changelog=changelog,
            provenance=provenance,
        )
        return self._publish(candidate, archive, who.actor)

    def _publish(self, candidate: Candidate, archive: Path, actor: str, upload_id: str = "") -> Published:
        check_candidate(candidate)
        with self.database.read() as session:
            _check_free(session, _publisher(session, candidate.publisher_id), candidate.slug, candidate.version)
        self.storage.put(candidate.key, archive)
        published = False
        try:
            with self.database.write() as session:
                done = self._write(session, candidate, actor, upload_id)
            published = True
        except IntegrityError as error:
            raise VersionExists(candidate.slug, candidate.version) from error
        finally:
            if not published:
                self._discard(candidate)
        logger.info("published %s %s as %s", done.pack.slug, done.release.version, done.release.state)
        return done

    def _write(self, session: Session, candidate: Candidate, actor: str, upload_id: str) -> Published:
        moment = self.clock()
        at = stamp(moment)
        index.lock(session)  # from here on nobody else publishes
        publisher = _publisher(session, candidate.publisher_id)
        if upload_id:
            _open_upload(session, upload_id, lock=True).used_at = at
        pack = _check_free(session, publisher, candidate.slug, candidate.version)
        if pack is None:
            pack = _new_pack(session, candidate, publisher, at)
        earlier = packs.releases(session, pack.id)
        state, reason = first_state(candidate.examined, self.review, first=not earlier)
        release = release_row(candidate, pack, at, actor, state, reason)
        node_ids = [node.id for node in candidate.examined.nodes]
        taken = take_ownership(session, moment, pack, node_ids)
        nodes.put_shapes(session, candidate.examined.signatures)
        release.duplicates = duplicates_of(session, pack.id, release.nodes)
        document = schemas_document(candidate.examined)
        if document:
            release.schemas = document[0]
            packs.put_schemas(session, *document)
        session.add(release)
        if oldest_first([*earlier, release])[-1] is release:
            describe_pack(pack, candidate)
            nodes.put_claims(session, pack.id, claim_rows(release.nodes), release.version)
        record(
            session, moment, actor, "release.publish", f"pack/{pack.slug}/{release.version}",
            sha256=release.sha256, state=state, nodes_taken=len(taken), provenance=candidate.provenance,
        )  # fmt: skip
        self.indexer.changed(session, moment, pack, "published", release.version)
        return Published(
            pack=pack,
            release=release,
            nodes=tuple(node_ids),
            findings=tuple(release.findings),
            unread=tuple(release.unread),
            duplicates=tuple(release.duplicates),
        )

    def _discard(self, candidate: Candidate) -> None:
        """Remove an archive that became no release, unless the very same one did."""
        try:
            with self.database.read() as session:
                needed = packs.release_by_archive(session, candidate.examined.sha256, candidate.key)
            if needed is None:
                self.storage.delete(candidate.key)
        except RegistryError as error:
            logger.warning("%s is left in the storage, without a release: %s", candidate.key, error)


def _publisher(session: Session, publisher_id: str) -> Publisher:
    found = accounts.publisher(session, publisher_id)
    if found is None:
        raise NotFound("publisher", publisher_id)
    if found.banned:
        raise Banned(f"The publisher {found.id!r} is banned.")
    return found


def _check_free(session: Session, publisher: Publisher, slug: str, version: str) -> PackRow | None:
    """The pack, if it is there, and this publisher may add this version to it."""
    pack = packs.pack(session, slug)
    if pack is None:
        check_distinct(session, slug)
        return None
    if pack.status == "banned":
        raise Banned(f"The pack {pack.slug!r} is banned: {pack.status_detail or 'ask the operator why'}.")
    if pack.status == "deleted":
        raise Forbidden(f"The pack {pack.slug!r} was deleted; its name is not given out again.")
    if pack.origin.startswith("mirror:"):
        raise Conflict(f"The pack {pack.slug!r} is mirrored from another registry; publish it there.")
    if pack.publisher_id is None:
        raise Forbidden(
            f"The name {pack.slug!r} is kept for the pack of {pack.repository or 'the public catalogue'}. If that is "
            "yours, ask the registry's operator to give it to you."
        )
    if pack.publisher_id != publisher.id:
        raise Forbidden(f"The pack {pack.slug!r} is {pack.publisher_id}'s, not {publisher.id}'s.")
    if packs.release(session, pack.id, canonical(version)) is not None:
        raise VersionExists(pack.slug, version)
    return pack


def _new_pack(session: Session, candidate: Candidate, publisher: Publisher, at: str) -> PackRow:
    pack = PackRow(
        slug=candidate.slug, folded=fold(candidate.slug), publisher_id=publisher.id, created_at=at, updated_at=at
    )
    session.add(pack)
    session.flush()
    session.refresh(pack)
    return pack


def _open_upload(session: Session, upload_id: str, *, lock: bool = False) -> Upload:
    upload = repository.upload(session, upload_id, lock=lock)
    if upload is None:
        raise UploadRefused("The upload address is unknown; publish the version again.")
    if upload.used_at is not None:
        raise UploadRefused("The upload address was used already; each is for one archive.")
    return upload
