"""Search in SQLite: FTS5 for words and their beginnings, trigrams where no word is found.

Ranking: bm25 with the weights below, so that a pack's id counts more than its description; then downloads.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BindParameter, bindparam, func, select, text
from sqlalchemy.orm import Session

from registry_server.packs.tables import PackRow
from registry_server.search.query import Query, SearchText, filtered, is_filtered, listing_order

WEIGHTS = "12.0, 8.0, 2.0, 3.0, 4.0, 3.0"
"""Of slug, name, description, publisher, tags, nodes."""
_PUT = text(
    "INSERT INTO pack_search(rowid, slug, name, description, publisher, tags, nodes) "
    "VALUES (:id, :slug, :name, :description, :publisher, :tags, :nodes)"
)
_PUT_TRIGRAMS = text("INSERT INTO pack_trigrams(rowid, words) VALUES (:id, :words)")
LEAST_SHARE = 0.45
"""Of a misspelled text's trigrams, so many must be in a pack's names."""
_MOST_CANDIDATES = 200
_MOST_EQUAL = 200
"""Of packs whose texts are equally good, downloads put so many in order."""
_BEST = text(
    "WITH m AS MATERIALIZED (SELECT rowid, rank AS score FROM pack_search WHERE pack_search MATCH :words "
    f"AND rank MATCH 'bm25({WEIGHTS})' ORDER BY rank LIMIT :candidates) "
    "SELECT p.id FROM m CROSS JOIN packs AS p ON p.id = m.rowid "
    "ORDER BY m.score, p.downloads DESC, p.id LIMIT :limit OFFSET :offset"
)
"""All packs in the table are active. FTS5 itself leaves out what is not among the best: most packs are never read."""


class SqliteSearch:
    """FTS5 tables beside the packs' own, in the same transaction."""

    def put(self, session: Session, pack_id: int, text: SearchText) -> None:
        """Make a pack findable by this text alone."""
        self.remove(session, pack_id)
        fields = {name: getattr(text, name) for name in SearchText.__dataclass_fields__}
        session.execute(_PUT, {"id": pack_id, **fields})
        session.execute(_PUT_TRIGRAMS, {"id": pack_id, "words": f"{text.slug} {text.name}"})

    def remove(self, session: Session, pack_id: int) -> None:
        """Make a pack unfindable."""
        for table in ("pack_search", "pack_trigrams"):
            session.execute(text(f"DELETE FROM {table} WHERE rowid = :id"), {"id": pack_id})

    def find(self, session: Session, query: Query, offset: int, limit: int) -> tuple[int, Sequence[int]]:
        """How many packs match, and the ids of some of them, best first."""
        if not query.words:
            return _listed(session, query, offset, limit)
        expression = " ".join(f'"{word}"*' for word in query.words)
        found = self._matching(session, expression, query, offset, limit)
        trigrams = _trigrams(query.words)
        if found[0] or not trigrams:
            return found
        near = _near(session, query.words, trigrams)
        allowed = set(session.scalars(filtered(query).where(PackRow.id.in_(near)))) if near else set()
        matching = [pack_id for pack_id in near if pack_id in allowed]
        return len(matching), matching[offset : offset + limit]

    def _matching(
        self, session: Session, expression: str, query: Query, offset: int, limit: int
    ) -> tuple[int, Sequence[int]]:
        if is_filtered(query):
            return _matching_some(session, expression, list(session.scalars(filtered(query))), offset, limit)
        counting = text("SELECT count(*) FROM pack_search WHERE pack_search MATCH :words")
        total = int(session.execute(counting, {"words": expression}).scalar_one())
        values = {"words": expression, "candidates": offset + limit + _MOST_EQUAL, "limit": limit, "offset": offset}
        return total, [int(row[0]) for row in session.execute(_BEST, values)] if total else []


def _matching_some(
    session: Session, expression: str, ids: list[int], offset: int, limit: int
) -> tuple[int, Sequence[int]]:
    """The same among these packs alone: words first, then packs, as the other order would search once for each."""
    ranked = f"SELECT rowid, bm25(pack_search, {WEIGHTS}) AS score FROM pack_search WHERE pack_search MATCH :words"
    joined = "FROM m CROSS JOIN packs AS p ON p.id = m.rowid WHERE p.id IN :ids"
    found = f"WITH m AS MATERIALIZED ({ranked})"
    ordered = "ORDER BY m.score, p.downloads DESC, p.id LIMIT :limit OFFSET :offset"
    several: BindParameter[int] = bindparam("ids", expanding=True)
    values = {"words": expression, "ids": ids}
    total = session.execute(text(f"{found} SELECT count(*) {joined}").bindparams(several), values).scalar_one()
    choosing = text(f"{found} SELECT p.id {joined} {ordered}").bindparams(several)
    rows = session.execute(choosing, values | {"limit": limit, "offset": offset})
    return int(total), [int(row[0]) for row in rows]


def _near(session: Session, words: Sequence[str], trigrams: Sequence[str]) -> list[int]:
    """Packs whose names have at least so many of the words' trigrams, most first."""
    query = text("SELECT rowid, words FROM pack_trigrams WHERE pack_trigrams MATCH :words ORDER BY rank LIMIT :limit")
    rows = session.execute(query, {"words": " OR ".join(trigrams), "limit": _MOST_CANDIDATES})
    wanted = _parts(words)
    shares = {int(row[0]): len(wanted & _parts([row[1].lower()])) / len(wanted) for row in rows}
    return [number for number, share in sorted(shares.items(), key=lambda item: -item[1]) if share >= LEAST_SHARE]


def _listed(session: Session, query: Query, offset: int, limit: int) -> tuple[int, Sequence[int]]:
    chosen = filtered(query)
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    ordered = chosen.order_by(*listing_order()).limit(limit).offset(offset)  # type: ignore[arg-type]
    return total, list(session.scalars(ordered))


def _trigrams(words: Sequence[str]) -> list[str]:
    return [f'"{part}"' for part in sorted(_parts(words))]


def _parts(words: Sequence[str]) -> set[str]:
    return {word[i : i + 3] for word in words for i in range(len(word) - 2)}
