"""Every query on packs and releases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session, undefer

from registry_server.packs.names import lookalike
from registry_server.packs.tables import Label, PackRow, ReleaseRow, SchemaRow
from sdk.registry import fold

DETAILS = (ReleaseRow.findings, ReleaseRow.unread, ReleaseRow.duplicates, ReleaseRow.readme)


def pack(session: Session, pack_id: str) -> PackRow | None:
    """By id, in any spelling that folds to the same."""
    return session.scalar(select(PackRow).where(PackRow.folded == fold(pack_id)))


def pack_looking_like(session: Session, name: str) -> PackRow | None:
    """A pack, in whatever state, whose id people would take for this name."""
    query = select(PackRow).where(PackRow.lookalike == lookalike(name))
    return session.scalar(query.order_by(PackRow.id).limit(1))


def packs_by_id(session: Session, ids: Sequence[int]) -> list[PackRow]:
    """Packs in the order of their row numbers given."""
    found = {row.id: row for row in session.scalars(select(PackRow).where(PackRow.id.in_(ids)))}
    return [found[number] for number in ids if number in found]


def packs_by_slug(session: Session, slugs: Iterable[str]) -> Sequence[PackRow]:
    """Those of these packs that there are."""
    folded = {fold(slug) for slug in slugs}
    return session.scalars(select(PackRow).where(PackRow.folded.in_(folded)).order_by(PackRow.slug)).all()


def all_packs(session: Session) -> Iterable[PackRow]:
    """Every pack, by id."""
    return session.scalars(select(PackRow).order_by(PackRow.folded))


def packs_of(session: Session, publisher_id: str) -> Sequence[PackRow]:
    """A publisher's packs that are not deleted."""
    query = select(PackRow).where(PackRow.publisher_id == publisher_id, PackRow.status != "deleted")
    return session.scalars(query.order_by(PackRow.slug)).all()


def releases(session: Session, pack_id: int) -> Sequence[ReleaseRow]:
    """All of a pack's releases, in no order."""
    return session.scalars(select(ReleaseRow).where(ReleaseRow.pack_id == pack_id)).all()


def release(session: Session, pack_id: int, canonical: str) -> ReleaseRow | None:
    """One version."""
    return session.scalar(select(ReleaseRow).where(ReleaseRow.pack_id == pack_id, ReleaseRow.canonical == canonical))


def release_with_details(session: Session, pack_id: int, canonical: str) -> ReleaseRow | None:
    """One version with findings, duplicates and README, which are left out otherwise."""
    query = select(ReleaseRow).where(ReleaseRow.pack_id == pack_id, ReleaseRow.canonical == canonical)
    return session.scalar(query.options(*(undefer(column) for column in DETAILS)))


def release_by_id(session: Session, release_id: str) -> ReleaseRow | None:
    """One version by its own id."""
    return session.get(ReleaseRow, release_id)


def releases_by_id(session: Session, ids: Iterable[str | None]) -> dict[str, ReleaseRow]:
    """Releases by their own ids."""
    wanted = [one for one in ids if one]
    rows = session.scalars(select(ReleaseRow).where(ReleaseRow.id.in_(wanted))) if wanted else ()
    return {row.id: row for row in rows}


def release_by_archive(session: Session, sha256: str, url: str) -> tuple[ReleaseRow, PackRow] | None:
    """The release whose archive lies there."""
    query = select(ReleaseRow, PackRow).join(PackRow, PackRow.id == ReleaseRow.pack_id)
    row = session.execute(query.where(ReleaseRow.sha256 == sha256, ReleaseRow.url == url)).first()
    return (row[0], row[1]) if row else None


def list_releases(
    session: Session, states: Iterable[str], pack_id: int | None, offset: int, limit: int
) -> tuple[int, list[tuple[ReleaseRow, PackRow]]]:
    """Releases in these states, newest first, and how many there are."""
    chosen = select(ReleaseRow, PackRow).join(PackRow, PackRow.id == ReleaseRow.pack_id)
    conditions = [ReleaseRow.state.in_(list(states)), PackRow.status == "active"]
    if pack_id is not None:
        conditions.append(ReleaseRow.pack_id == pack_id)
    counted = select(func.count()).select_from(ReleaseRow).join(PackRow, PackRow.id == ReleaseRow.pack_id)
    total = session.scalar(counted.where(*conditions)) or 0
    ordered = chosen.where(*conditions).order_by(ReleaseRow.published_at.desc(), ReleaseRow.id)
    return total, [(row[0], row[1]) for row in session.execute(ordered.limit(limit).offset(offset))]


def archives(session: Session) -> Iterable[tuple[str, str, str, int, str, str]]:
    """Of every release: pack, version, sha256, size, url, upstream."""
    query = select(
        PackRow.slug, ReleaseRow.version, ReleaseRow.sha256, ReleaseRow.size, ReleaseRow.url, ReleaseRow.upstream
    ).join(PackRow, PackRow.id == ReleaseRow.pack_id)
    return (tuple(row) for row in session.execute(query.order_by(PackRow.folded)))  # type: ignore[misc]


def count_download(session: Session, pack_id: int, release_id: str) -> None:
    """One more download of this version."""
    session.execute(
        update(PackRow).where(PackRow.id == pack_id).values(downloads=PackRow.downloads + 1),
        execution_options={"synchronize_session": False},
    )
    session.execute(
        update(ReleaseRow).where(ReleaseRow.id == release_id).values(downloads=ReleaseRow.downloads + 1),
        execution_options={"synchronize_session": False},
    )


def put_labels(session: Session, pack_row: PackRow) -> None:
    """Make a pack findable by its tags, systems and accelerators."""
    session.execute(delete(Label).where(Label.pack_id == pack_row.id))
    kinds = (("tag", pack_row.tags), ("system", pack_row.systems), ("accelerator", pack_row.accelerators))
    rows = [
        {"pack_id": pack_row.id, "kind": kind, "value": value}
        for kind, values in kinds
        for value in {text.lower()[:200] for text in values}
    ]
    if rows:
        session.execute(insert(Label), rows)


def schemas(session: Session, digest: str) -> bytes | None:
    """A schemas document."""
    row = session.get(SchemaRow, digest)
    return row.body if row else None


def put_schemas(session: Session, digest: str, body: bytes) -> None:
    """Keep a schemas document."""
    if session.get(SchemaRow, digest) is None:
        session.add(SchemaRow(digest=digest, body=body))
        session.flush()


def release_from_publisher(session: Session, publisher_id: str) -> None:
    """Let deleted packs be nobody's, so that their publisher can go."""
    session.execute(update(PackRow).where(PackRow.publisher_id == publisher_id).values(publisher_id=None))


def schema_digests(session: Session) -> Sequence[str]:
    """Names of all schemas documents."""
    return session.scalars(select(SchemaRow.digest).order_by(SchemaRow.digest)).all()


def served_releases(session: Session, refused: Iterable[str]) -> Sequence[ReleaseRow]:
    """Releases of active packs that are in none of these states."""
    query = select(ReleaseRow).join(PackRow, PackRow.id == ReleaseRow.pack_id)
    return session.scalars(query.where(PackRow.status == "active", ReleaseRow.state.not_in(list(refused)))).all()
