"""Keeps the index in step with packs: every change ends here, in the transaction that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from registry_server.clock import stamp
from registry_server.index import repository
from registry_server.index.records import pack_record
from registry_server.index.tables import ChangeRow, PackDocument
from registry_server.nodes import repository as nodes
from registry_server.packs import repository as packs
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import newest
from registry_server.search.query import Search, SearchText, searchable_nodes
from registry_server.webhooks import service as webhooks
from sdk.registry import digest, encode_pack, shard


@dataclass(frozen=True)
class Indexer:
    """Rebuilds a pack's document, its search entry and its latest version, and notes the change.

    Args:
        search: where packs are found by text.
    """

    search: Search

    def changed(self, session: Session, moment: datetime, pack: PackRow, kind: str, version: str = "") -> int:
        """Note that a pack has changed; the serial of the change.

        The caller has locked the index, so that serials have no holes and documents are never older than they say.
        """
        session.flush()
        state = repository.lock(session)
        at = stamp(moment)
        releases = list(packs.releases(session, pack.id))
        self._refresh(session, pack, releases, at)
        known = repository.current_document(session, pack.folded) is not None
        state.serial += 1
        if pack.status == "deleted":
            repository.retire_document(session, pack.folded)
            state.packs -= known
            kind, document_digest = "removed", ""
        else:
            state.packs += not known
            document_digest = self._put(session, pack, releases, state.serial, at)
        change = ChangeRow(
            serial=state.serial, kind=kind, pack=pack.slug, version=version, digest=document_digest, at=at
        )
        repository.add_change(session, change)
        webhooks.announce(session, moment, pack, kind, version, state.serial)
        return state.serial

    def _refresh(self, session: Session, pack: PackRow, releases: list[ReleaseRow], at: str) -> None:
        latest = newest(releases) if pack.status == "active" else None
        pack.latest_id = latest.id if latest else None
        pack.updated_at = at
        packs.put_labels(session, pack)
        if pack.status != "active":
            self.search.remove(session, pack.id)
            return
        self.search.put(session, pack.id, search_text(session, pack))

    def _put(self, session: Session, pack: PackRow, releases: list[ReleaseRow], serial: int, at: str) -> str:
        body = encode_pack(pack_record(pack, releases, nodes.owned_by(session, pack.id)))
        name = digest(body)
        document = PackDocument(
            folded=pack.folded, serial=serial, shard=shard(pack.slug), digest=name, current=True, at=at, body=body
        )
        repository.put_document(session, document)
        return name


def search_text(session: Session, pack: PackRow) -> SearchText:
    """What a pack is found by."""
    claimed = [claim.node_id for claim in nodes.claims_of(session, pack.id) if claim.listed]
    publisher = f"{pack.publisher_id} {pack.publisher.name}" if pack.publisher else pack.author
    return SearchText(
        slug=pack.slug,
        name=pack.name,
        description=pack.description,
        publisher=publisher,
        tags=" ".join(pack.tags),
        nodes=searchable_nodes(claimed),
    )
