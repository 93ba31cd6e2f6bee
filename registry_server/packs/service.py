"""Decides in which state packs and releases are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from registry_server.accounts import repository as accounts
from registry_server.accounts.identity import Identity, Scope
from registry_server.accounts.service import may_publish, require
from registry_server.audit.repository import record
from registry_server.errors import BadRequest, Conflict, Forbidden, NameTooSimilar, NotFound
from registry_server.index import repository as index
from registry_server.index.service import Indexer
from registry_server.packs import repository
from registry_server.packs.names import check_name
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import canonical
from sdk.python_requirements import parse_requirement
from sdk.registry import State

LONGEST_REASON = 2000
PROFILE = ("name", "description", "author", "category", "license", "icon", "banner_url", "repository", "tags")


def find_pack(session: Session, pack_id: str) -> PackRow:
    """The pack, in whatever state but deleted.

    Raises:
        NotFound: there is none.
    """
    found = repository.pack(session, pack_id)
    if found is None or found.status == "deleted":
        raise NotFound("pack", pack_id)
    return found


def find_release(session: Session, pack: PackRow, version: str, *, details: bool = False) -> ReleaseRow:
    """One version of a pack, in whatever state.

    Raises:
        NotFound: there is none.
        BadRequest: it is no version.
    """
    find = repository.release_with_details if details else repository.release
    found = find(session, pack.id, canonical(version))
    if found is None:
        raise NotFound("version", f"{pack.slug} {version}")
    return found


def check_distinct(session: Session, name: str) -> None:
    """Return if a new pack can be called this without being taken for another.

    Raises:
        BadRequest: no pack can be called this.
        NameTooSimilar: there is a pack whose id looks like it.
    """
    check_name(name)
    similar = repository.pack_looking_like(session, name)
    if similar is not None:
        raise NameTooSimilar(name, similar.slug)


@dataclass(frozen=True)
class PackService:
    """Changes of packs and releases; each is logged and goes to the change feed."""

    indexer: Indexer

    def yank(
        self, session: Session, who: Identity, moment: datetime, pack_id: str, version: str, reason: str
    ) -> ReleaseRow:
        """Take a version out of resolving; its archive stays for those who have it in a lock file.

        Raises:
            NotFound: there is no such version.
            Conflict: it is quarantined, pending or banned, which weighs more.
            Forbidden: it is not this identity's.
        """
        return self._own_change(session, who, moment, pack_id, version, State.ACTIVE, State.YANKED, reason)

    def unyank(self, session: Session, who: Identity, moment: datetime, pack_id: str, version: str) -> ReleaseRow:
        """Let a yanked version resolve again; errors as for ``yank``."""
        return self._own_change(session, who, moment, pack_id, version, State.YANKED, State.ACTIVE, "")

    def set_state(
        self, session: Session, who: Identity, moment: datetime, pack_id: str, version: str, state: State, reason: str
    ) -> ReleaseRow:
        """Put a version into any state.

        Raises:
            NotFound: there is no such version.
            Forbidden: this identity is no admin.
        """
        require(who, Scope.ADMIN)
        index.lock(session)
        pack = find_pack(session, pack_id)
        release = find_release(session, pack, version)
        self._change(session, who, moment, pack, release, state, reason)
        return release

    def deprecate(
        self,
        session: Session,
        who: Identity,
        moment: datetime,
        pack_id: str,
        *,
        deprecated: bool,
        reason: str = "",
        replacement: str = "",
        version: str = "",
    ) -> PackRow:
        """Ask users to leave a pack, or one version of it; or take that back.

        Raises:
            NotFound: there is no such pack or version.
            BadRequest: the replacement is no requirement.
            Forbidden: it is not this identity's.
        """
        index.lock(session)
        pack = self._own(session, who, pack_id)
        _check_replacement(replacement)
        target: PackRow | ReleaseRow = find_release(session, pack, version) if version else pack
        target.deprecated = deprecated
        target.deprecation_reason = _reason(reason) if deprecated else ""
        target.replacement = replacement if deprecated else ""
        action = "deprecate" if deprecated else "undeprecate"
        record(session, moment, who.actor, f"pack.{action}", _subject(pack, version), reason=reason)
        self.indexer.changed(session, moment, pack, "metadata", version)
        return pack

    def edit(
        self, session: Session, who: Identity, moment: datetime, pack_id: str, values: dict[str, object]
    ) -> PackRow:
        """Change what a pack says of itself between two releases.

        Raises:
            NotFound: there is no such pack.
            Forbidden: it is not this identity's.
        """
        index.lock(session)
        pack = self._own(session, who, pack_id)
        chosen = {key: value for key, value in values.items() if key in PROFILE}
        for key, value in chosen.items():
            setattr(pack, key, value)
        record(session, moment, who.actor, "pack.edit", _subject(pack), fields=sorted(chosen))
        self.indexer.changed(session, moment, pack, "metadata")
        return pack

    def set_status(
        self, session: Session, who: Identity, moment: datetime, pack_id: str, status: str, reason: str
    ) -> PackRow:
        """Ban a whole pack, or let it in again, or take it off the lists for good.

        Raises:
            NotFound: there is no such pack.
            Forbidden: this identity is no admin; of its own packs, everybody may delete.
        """
        if status != "deleted":
            require(who, Scope.ADMIN)
        index.lock(session)
        pack = self._own(session, who, pack_id)
        pack.status, pack.status_detail = status, _reason(reason)
        record(session, moment, who.actor, f"pack.{status}", _subject(pack), reason=reason)
        self.indexer.changed(session, moment, pack, "state")
        return pack

    def give(self, session: Session, who: Identity, moment: datetime, pack_id: str, publisher_id: str) -> PackRow:
        """Make a pack another publisher's.

        Raises:
            NotFound: there is no such pack or publisher.
            Forbidden: this identity is no admin.
        """
        require(who, Scope.ADMIN)
        index.lock(session)
        pack = find_pack(session, pack_id)
        publisher = accounts.publisher(session, publisher_id)
        if publisher is None:
            raise NotFound("publisher", publisher_id)
        before, pack.publisher_id = pack.publisher_id, publisher.id
        if pack.origin == "catalogue":
            pack.origin = ""
        session.flush()
        session.refresh(pack)
        record(session, moment, who.actor, "pack.transfer", _subject(pack), before=before, after=publisher.id)
        self.indexer.changed(session, moment, pack, "ownership")
        return pack

    def rebuild(self, session: Session, who: Identity, moment: datetime, pack_ids: Iterable[str]) -> int:
        """Prepare documents and search entries anew; how many."""
        require(who, Scope.ADMIN)
        index.lock(session)
        count = 0
        for pack_id in pack_ids:
            self.indexer.changed(session, moment, find_pack(session, pack_id), "metadata")
            count += 1
        return count

    def _own(self, session: Session, who: Identity, pack_id: str) -> PackRow:
        pack = find_pack(session, pack_id)
        if who.is_admin:
            return pack
        if pack.publisher is None:
            raise Forbidden(f"{pack.slug} has no publisher here; only the operator can change it.")
        may_publish(session, who, pack.publisher, pack.slug)
        return pack

    def _own_change(
        self,
        session: Session,
        who: Identity,
        moment: datetime,
        pack_id: str,
        version: str,
        before: State,
        after: State,
        reason: str,
    ) -> ReleaseRow:
        index.lock(session)
        pack = self._own(session, who, pack_id)
        release = find_release(session, pack, version)
        if release.state == after:
            return release
        if release.state != before:
            raise Conflict(f"{pack.slug} {release.version} is {release.state}, not {before}; the operator decides.")
        self._change(session, who, moment, pack, release, after, reason)
        return release

    def _change(
        self,
        session: Session,
        who: Identity,
        moment: datetime,
        pack: PackRow,
        release: ReleaseRow,
        state: State,
        reason: str,
    ) -> None:
        before = release.state
        release.state, release.reason = state, _reason(reason)
        subject = _subject(pack, release.version)
        record(session, moment, who.actor, "release.state", subject, before=before, after=state, reason=reason)
        self.indexer.changed(session, moment, pack, "state", release.version)


def _subject(pack: PackRow, version: str = "") -> str:
    return f"pack/{pack.slug}/{version}" if version else f"pack/{pack.slug}"


def _reason(text: str) -> str:
    if len(text) > LONGEST_REASON:
        raise BadRequest(f"A reason has at most {LONGEST_REASON} characters.")
    return text


def _check_replacement(text: str) -> None:
    if not text:
        return
    try:
        parse_requirement(text)
    except ValueError as error:
        raise BadRequest(f"{text!r} is no requirement; write for example other-pack>=2.") from error
