"""Every query on owners, exceptions and claims."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from registry_server.nodes.shapes import bands, encode_signature
from registry_server.nodes.tables import CodeBand, CodeShape, NodeClaimRow, NodeException, NodeOwner
from registry_server.packs.tables import PackRow
from sdk.similarity import Signature

Item = TypeVar("Item")
_AT_ONCE = 400
MOST_HOLDERS = 100
MOST_BAND_ROWS, MOST_CANDIDATES = 2000, 50
"""Bounds, so that code which everybody has does not make looking for it slow."""
_REMOVE_BAND = delete(CodeBand).where(CodeBand.shape_id == bindparam("of"), CodeBand.bucket == bindparam("at"))


class Holder(NamedTuple):
    """A node with some code, and its pack."""

    code: str
    node_id: str
    pack_id: int
    slug: str


def owners(session: Session, node_ids: Iterable[str]) -> dict[str, PackRow]:
    """The owning pack of each of these ids that has one."""
    found: dict[str, PackRow] = {}
    for part in _parts(node_ids):
        query = select(NodeOwner.node_id, PackRow).join(PackRow, PackRow.id == NodeOwner.pack_id)
        found |= {row[0]: row[1] for row in session.execute(query.where(NodeOwner.node_id.in_(part)))}
    return found


def owner(session: Session, node_id: str) -> NodeOwner | None:
    """The row of one id."""
    return session.get(NodeOwner, node_id)


def owned_by(session: Session, pack_id: int) -> list[str]:
    """A pack's own ids, in order."""
    rows = session.scalars(select(NodeOwner.node_id).where(NodeOwner.pack_id == pack_id))
    return sorted(rows)


def take(session: Session, node_ids: Iterable[str], pack_id: int, moment: str, reason: str = "") -> None:
    """Make a pack the owner of ids that have none."""
    rows = [{"node_id": n, "pack_id": pack_id, "since": moment, "reason": reason} for n in node_ids]
    if rows:
        session.execute(insert(NodeOwner), rows)


def exceptions_of(session: Session, pack_id: int) -> set[str]:
    """Ids that a pack may provide though they are another's."""
    return set(session.scalars(select(NodeException.node_id).where(NodeException.pack_id == pack_id)))


def exceptions(session: Session, node_id: str) -> Sequence[tuple[NodeException, str]]:
    """Packs that may provide this id, with their names."""
    query = select(NodeException, PackRow.slug).join(PackRow, PackRow.id == NodeException.pack_id)
    return [(row[0], row[1]) for row in session.execute(query.where(NodeException.node_id == node_id))]


def claims(session: Session, node_id: str) -> Sequence[tuple[NodeClaimRow, PackRow]]:
    """Everybody who provides an id, or did."""
    query = select(NodeClaimRow, PackRow).join(PackRow, PackRow.id == NodeClaimRow.pack_id)
    rows = session.execute(query.where(NodeClaimRow.node_id == node_id).order_by(PackRow.folded))
    return [(row[0], row[1]) for row in rows]


def similar_ids(session: Session, folded: str) -> list[str]:
    """Ids that differ from this one only in case and punctuation."""
    query = select(NodeClaimRow.node_id).where(NodeClaimRow.folded == folded).distinct()
    return sorted(session.scalars(query))


def claims_of(session: Session, pack_id: int) -> Sequence[NodeClaimRow]:
    """What a pack provides, or did."""
    query = select(NodeClaimRow).where(NodeClaimRow.pack_id == pack_id)
    return session.scalars(query.order_by(NodeClaimRow.node_id)).all()


def holders_of(session: Session, codes: Iterable[str], but: int) -> list[Holder]:
    """Nodes with such code in the newest versions of active packs other than one; not more than a bounded number."""
    found: list[Holder] = []
    for part in _parts(codes):
        query = select(NodeClaimRow.code, NodeClaimRow.node_id, PackRow.id, PackRow.slug)
        held = (NodeClaimRow.code.in_(part), NodeClaimRow.pack_id != but, NodeClaimRow.listed)
        joined = query.join(PackRow, PackRow.id == NodeClaimRow.pack_id).where(*held, PackRow.status == "active")
        found += [Holder(*row) for row in session.execute(joined.limit(MOST_HOLDERS * len(part)))]
    return found


def put_shapes(session: Session, signatures: Mapping[str, Signature]) -> None:
    """Keep the signatures of code, by its hash; empty ones are left out."""
    encoded = {code: encode_signature(signature) for code, signature in signatures.items() if code and signature}
    known = signatures_of(session, encoded)
    session.add_all(CodeShape(code=code, signature=body) for code, body in encoded.items() if code not in known)
    session.flush()


def signatures_of(session: Session, codes: Iterable[str]) -> dict[str, bytes]:
    """Encoded signatures, of those of these pieces of code that have one."""
    found: dict[str, bytes] = {}
    for part in _parts(code for code in codes if code):
        query = select(CodeShape.code, CodeShape.signature).where(CodeShape.code.in_(part))
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found


def sharing_bands(session: Session, signatures: Iterable[bytes]) -> dict[bytes, dict[str, bytes]]:
    """Code that shares a band with each of these encoded signatures, and its own; not more than a bounded number."""
    split = {signature: set(bands(signature)) for signature in signatures}
    holders: dict[int, list[int]] = defaultdict(list)
    for part in _parts(bucket for buckets in split.values() for bucket in buckets):
        rows = select(CodeBand.bucket, CodeBand.shape_id).where(CodeBand.bucket.in_(part))
        for bucket, shape in session.execute(rows.limit(MOST_BAND_ROWS * len(split))):
            holders[bucket].append(shape)
    shapes = {
        signature: Counter(shape for bucket in buckets for shape in holders[bucket]).most_common(MOST_CANDIDATES)
        for signature, buckets in split.items()
    }
    found: dict[int, tuple[str, bytes]] = {}
    for numbers in _parts(number for counted in shapes.values() for number, _ in counted):
        query = select(CodeShape.id, CodeShape.code, CodeShape.signature).where(CodeShape.id.in_(numbers))
        found |= {row[0]: (row[1], row[2]) for row in session.execute(query)}
    return {signature: dict(found[number] for number, _ in counted) for signature, counted in shapes.items()}


def count_of(session: Session, pack_ids: Iterable[int]) -> dict[int, int]:
    """How many ids each of these packs claims now."""
    counted: dict[int, int] = {}
    for part in _parts(pack_ids):
        query = select(NodeClaimRow.pack_id, func.count()).where(NodeClaimRow.listed, NodeClaimRow.pack_id.in_(part))
        counted |= {row[0]: row[1] for row in session.execute(query.group_by(NodeClaimRow.pack_id))}
    return counted


def put_claims(session: Session, pack_id: int, rows: Mapping[str, Mapping[str, object]], version: str) -> None:
    """Replace what a pack claims by what its newest version provides; former claims stay, as not listed."""
    known = {row.node_id: row for row in claims_of(session, pack_id)}
    before = {row.code for row in known.values() if row.listed}
    gone = [{"node_id": node_id, "listed": False} for node_id in known if node_id not in rows]
    now = [{"node_id": node_id, "last_version": version, "listed": True, **values} for node_id, values in rows.items()]
    changed = [row for row in now if row["node_id"] in known]
    added = [row | {"first_version": version} for row in now if row["node_id"] not in known]
    for statement, values_of in (
        (update(NodeClaimRow), gone),
        (update(NodeClaimRow), changed),
        (insert(NodeClaimRow), added),
    ):
        if values_of:
            session.execute(statement, [row | {"pack_id": pack_id} for row in values_of])
    for row in known.values():
        session.expire(row)  # it was changed behind the session's back, all rows at once
    after = {str(values.get("code", "")) for values in rows.values()}
    _remove_bands(session, before - after)
    _add_bands(session, after - before)


def _add_bands(session: Session, codes: Iterable[str]) -> None:
    """Let code be found by its bands: only what some pack's newest version has is there."""
    for part in _parts(code for code in codes if code):
        shapes = session.scalars(select(CodeShape).where(CodeShape.code.in_(part))).all()
        split = {shape.id: set(bands(shape.signature)) for shape in shapes}
        some = [next(iter(buckets)) for buckets in split.values()]
        there = select(CodeBand.shape_id).where(CodeBand.bucket.in_(some), CodeBand.shape_id.in_(split))
        known = set(session.scalars(there))
        rows = [
            {"bucket": b, "shape_id": number} for number, found in split.items() if number not in known for b in found
        ]
        if rows:
            session.execute(insert(CodeBand), rows)


def _remove_bands(session: Session, codes: Iterable[str]) -> None:
    for part in _parts(code for code in codes if code):
        held = set(session.scalars(select(NodeClaimRow.code).where(NodeClaimRow.code.in_(part), NodeClaimRow.listed)))
        gone = [code for code in part if code not in held]
        rows = session.execute(select(CodeShape.id, CodeShape.signature).where(CodeShape.code.in_(gone))).all()
        pairs = [{"of": number, "at": bucket} for number, body in rows for bucket in set(bands(body))]
        if pairs:
            session.connection().execute(_REMOVE_BAND, pairs)


def forget_owner(session: Session, node_id: str) -> None:
    """Make an id nobody's."""
    session.execute(delete(NodeOwner).where(NodeOwner.node_id == node_id))


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    """SQLite takes only so many values in one statement."""
    listed = list(dict.fromkeys(items))
    for start in range(0, len(listed), _AT_ONCE):
        yield listed[start : start + _AT_ONCE]
