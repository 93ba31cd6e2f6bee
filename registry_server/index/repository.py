"""Every query on the change feed and the prepared documents."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry_server.index.changes import decode_change_row
from registry_server.index.tables import ChangeRow, IndexState, PackDocument
from sdk.registry import Change

KEPT_STATES = 8
"""So many states of a pack's document stay to be asked for by their digest."""
_AT_ONCE = 500


def state(session: Session) -> IndexState:
    """How far the index is."""
    found = session.get(IndexState, 1)
    assert found is not None, "the first migration makes this row"
    return found


def lock(session: Session) -> IndexState:
    """The same, and nobody else changes the index until this transaction ends."""
    query = select(IndexState).where(IndexState.id == 1).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def current_document(session: Session, folded: str) -> PackDocument | None:
    """A pack's newest document."""
    return session.scalar(select(PackDocument).where(PackDocument.folded == folded, PackDocument.current))


def put_document(session: Session, document: PackDocument) -> None:
    """Make this the pack's newest document; the oldest ones go."""
    retire_document(session, document.folded)
    session.add(document)
    session.flush()
    kept = select(PackDocument.serial).where(PackDocument.folded == document.folded)
    serials = session.scalars(kept.order_by(PackDocument.serial.desc()).offset(KEPT_STATES)).all()
    if serials:
        outdated = (PackDocument.folded == document.folded, PackDocument.serial.in_(serials))
        session.execute(delete(PackDocument).where(*outdated))


def retire_document(session: Session, folded: str) -> None:
    """Leave a pack without a current document."""
    current = (PackDocument.folded == folded, PackDocument.current)
    session.execute(update(PackDocument).where(*current).values(current=False))


def add_change(session: Session, change: ChangeRow) -> None:
    """One more entry of the feed."""
    session.add(change)
    session.flush()


def changes(session: Session, since: int, limit: int) -> list[Change]:
    """The changes after a serial, oldest first."""
    columns = (ChangeRow.serial, ChangeRow.kind, ChangeRow.pack, ChangeRow.version, ChangeRow.digest, ChangeRow.at)
    rows = session.execute(select(*columns).where(ChangeRow.serial > since).order_by(ChangeRow.serial).limit(limit))
    return [decode_change_row(row) for row in rows]


def manifest(session: Session, shard: str) -> dict[str, str]:
    """``{folded id: digest}`` of one shard."""
    query = select(PackDocument.folded, PackDocument.digest).where(PackDocument.shard == shard, PackDocument.current)
    return {row[0]: row[1] for row in session.execute(query.order_by(PackDocument.folded))}


def documents(session: Session) -> Iterator[tuple[str, str, bytes]]:
    """Folded id, digest and body of every pack's newest document, a few at a time."""
    query = select(PackDocument.folded, PackDocument.digest, PackDocument.body).where(PackDocument.current)
    last = ""
    while True:
        rows = session.execute(query.where(PackDocument.folded > last).order_by(PackDocument.folded).limit(_AT_ONCE))
        part = [(row[0], row[1], row[2]) for row in rows]
        yield from part
        if len(part) < _AT_ONCE:
            return
        last = part[-1][0]
