"""Queries that only the pages have; each of them ends after a bounded number of rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from registry_server.nodes import repository as nodes
from registry_server.nodes.tables import NodeClaimRow
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.search.query import listing_order
from sdk.registry import State

Published = list[tuple[ReleaseRow, PackRow]]


def newest_releases(session: Session, limit: int) -> Published:
    """What was published last, of what can be installed."""
    query = select(ReleaseRow, PackRow).join(PackRow, PackRow.id == ReleaseRow.pack_id)
    chosen = query.where(ReleaseRow.state == State.ACTIVE, PackRow.status == "active")
    return [(row[0], row[1]) for row in session.execute(chosen.order_by(ReleaseRow.published_at.desc()).limit(limit))]


def much_used(session: Session, limit: int) -> Sequence[PackRow]:
    """Packs with versions, those downloaded most often first."""
    query = select(PackRow).where(PackRow.status == "active", PackRow.latest_id.is_not(None))
    return session.scalars(query.order_by(*listing_order()).limit(limit)).all()  # type: ignore[arg-type]


def shared_code(session: Session, limit: int) -> list[str]:
    """Hashes of node code that several packs hold, those with most nodes first. Looks at every node."""
    several = func.min(NodeClaimRow.pack_id) != func.max(NodeClaimRow.pack_id)
    chosen = select(NodeClaimRow.code).where(NodeClaimRow.listed, NodeClaimRow.code != "")
    grouped = chosen.group_by(NodeClaimRow.code).having(several)
    return list(session.scalars(grouped.order_by(func.count().desc(), NodeClaimRow.code).limit(limit)))


def shared_ids(session: Session, limit: int) -> list[str]:
    """Node ids that several packs provide, those of most packs first. Looks at every node."""
    chosen = select(NodeClaimRow.node_id).where(NodeClaimRow.listed)
    grouped = chosen.group_by(NodeClaimRow.node_id).having(func.count() > 1)
    return list(session.scalars(grouped.order_by(func.count().desc(), NodeClaimRow.node_id).limit(limit)))


def claims_with_codes(session: Session, codes: Sequence[str]) -> list[tuple[NodeClaimRow, PackRow]]:
    """Nodes with such code, and their packs."""
    return _claims(session, NodeClaimRow.code.in_(codes))


def claims_with_ids(session: Session, node_ids: Sequence[str]) -> list[tuple[NodeClaimRow, PackRow]]:
    """Packs that provide these ids."""
    return _claims(session, NodeClaimRow.node_id.in_(node_ids))


def owner_slugs(session: Session, node_ids: Sequence[str]) -> dict[str, str]:
    """The owning pack's id of each of these node ids that has one."""
    return {node_id: pack.slug for node_id, pack in nodes.owners(session, node_ids).items()}


def _claims(session: Session, wanted: ColumnElement[bool]) -> list[tuple[NodeClaimRow, PackRow]]:
    query = select(NodeClaimRow, PackRow).join(PackRow, PackRow.id == NodeClaimRow.pack_id)
    chosen = query.where(wanted, NodeClaimRow.listed, PackRow.status == "active")
    # Sorted here: asked to do it, SQLite would look at every pack in that order.
    rows = [(row[0], row[1]) for row in session.execute(chosen)]
    return sorted(rows, key=lambda row: (row[1].folded, row[0].node_id))
