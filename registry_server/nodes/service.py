"""Decides whose a node id is: the host's, else the first publisher's, until an admin says otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from registry_server.accounts.identity import Identity, Scope
from registry_server.accounts.service import require
from registry_server.audit.repository import record
from registry_server.clock import stamp
from registry_server.errors import BadRequest, NodeOwned, NotFound
from registry_server.index import repository as index
from registry_server.index.service import Indexer
from registry_server.nodes import repository
from registry_server.nodes.core import CORE, core_nodes
from registry_server.nodes.tables import LONGEST_NODE_ID, NodeException
from registry_server.packs.service import find_pack
from registry_server.packs.tables import PackRow
from sdk.registry import fold

_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def check_node_id(node_id: str) -> None:
    """Return if a node can be called this: any text of a sensible length that shows as what it is.

    Raises:
        BadRequest: it can't.
    """
    if not node_id or len(node_id) > LONGEST_NODE_ID or _OBEYED.search(node_id):
        raise BadRequest(
            f"{node_id[:80]!r} can't be a node id: 1 to {LONGEST_NODE_ID} characters, none of them a control character "
            "or one that turns the reading direction."
        )


def owners_in_the_way(session: Session, pack: PackRow | None, node_ids: Iterable[str]) -> dict[str, str]:
    """Which of these ids a pack may not provide, each with its owner's id; ``pack`` is ``None`` for a new one."""
    wanted = list(node_ids)
    allowed = repository.exceptions_of(session, pack.id) if pack else set()
    owners = repository.owners(session, wanted)
    found: dict[str, str] = {}
    for node_id in wanted:
        owner = owners.get(node_id)
        if owner is not None:
            if (pack is None or owner.id != pack.id) and node_id not in allowed:
                found[node_id] = owner.slug
        elif node_id in core_nodes() and node_id not in allowed:
            found[node_id] = CORE
    return found


def take_ownership(session: Session, moment: datetime, pack: PackRow, node_ids: Iterable[str]) -> list[str]:
    """Make a pack the owner of those of its ids that have none; which ones.

    Raises:
        NodeOwned: some are others', and there is no exception.
    """
    wanted = list(dict.fromkeys(node_ids))
    in_the_way = owners_in_the_way(session, pack, wanted)
    if in_the_way:
        raise NodeOwned(pack.slug, in_the_way)
    owned = repository.owners(session, wanted)
    free = [node_id for node_id in wanted if node_id not in owned and node_id not in core_nodes()]
    repository.take(session, free, pack.id, stamp(moment))
    return free


def describe(session: Session, node_id: str) -> dict[str, Any]:
    """Owner, claimants and aliases of an id.

    Raises:
        NotFound: nobody has ever claimed it.
    """
    claims = repository.claims(session, node_id)
    owners = repository.owners(session, [node_id])
    core = node_id in core_nodes()
    if not (claims or owners or core):
        raise NotFound("node", node_id)
    owner = owners[node_id].slug if owners else (CORE if core else "")
    similar = [other for other in repository.similar_ids(session, fold(node_id)) if other != node_id]
    return {
        "id": node_id,
        "owner": owner,
        "claimants": [
            {"pack": pack.slug, "version": claim.last_version, "since": claim.first_version, "listed": claim.listed}
            for claim, pack in claims
        ],
        "aliases": sorted({alias for claim, _ in claims for alias in claim.aliases}),
        "exceptions": [slug for _, slug in repository.exceptions(session, node_id)],
        "similar": similar,
    }


@dataclass(frozen=True)
class NodeService:
    """What an admin decides about node ids; each decision is logged."""

    indexer: Indexer

    def transfer(
        self, session: Session, who: Identity, moment: datetime, node_id: str, pack_id: str, reason: str
    ) -> None:
        """Make an id another pack's; "" makes it nobody's.

        Raises:
            NotFound: there is no such pack.
            BadRequest: the id can't be one.
            Forbidden: this identity is no admin.
        """
        require(who, Scope.ADMIN)
        check_node_id(node_id)
        index.lock(session)
        before = repository.owners(session, [node_id]).get(node_id)
        after = find_pack(session, pack_id) if pack_id else None
        repository.forget_owner(session, node_id)
        if after is not None:
            repository.take(session, [node_id], after.id, stamp(moment), reason)
        record(
            session, moment, who.actor, "node.transfer", f"node/{node_id}",
            before=before.slug if before else "", after=after.slug if after else "", reason=reason,
        )  # fmt: skip
        for pack in {before, after} - {None}:
            assert pack is not None
            self.indexer.changed(session, moment, pack, "ownership")

    def allow(self, session: Session, who: Identity, moment: datetime, node_id: str, pack_id: str, reason: str) -> None:
        """Let a pack provide an id that is another's; errors as for ``transfer``."""
        require(who, Scope.ADMIN)
        check_node_id(node_id)
        pack = find_pack(session, pack_id)
        row = session.get(NodeException, (node_id, pack.id))
        if row is None:
            row = NodeException(node_id=node_id, pack_id=pack.id, since=stamp(moment))
            session.add(row)
        row.reason = reason
        record(session, moment, who.actor, "node.allow", f"node/{node_id}", pack=pack.slug, reason=reason)

    def disallow(self, session: Session, who: Identity, moment: datetime, node_id: str, pack_id: str) -> None:
        """Take an exception back; releases that are there stay.

        Raises:
            NotFound: there is no such exception.
            Forbidden: this identity is no admin.
        """
        require(who, Scope.ADMIN)
        pack = find_pack(session, pack_id)
        row = session.get(NodeException, (node_id, pack.id))
        if row is None:
            raise NotFound("exception", f"{node_id} for {pack.slug}")
        session.delete(row)
        record(session, moment, who.actor, "node.disallow", f"node/{node_id}", pack=pack.slug)


def claim_rows(nodes: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, object]]:
    """Claims as the table wants them: ``{id: columns}``."""
    return {
        node["id"]: {
            "folded": fold(node["id"])[:LONGEST_NODE_ID],
            "title": node.get("title", ""),
            "code": node.get("code", ""),
            "aliases": list(node.get("aliases", ())),
        }
        for node in nodes
    }
