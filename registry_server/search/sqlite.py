"""Search in SQLite: FTS5 for words and their beginnings, trigrams where no word is found.

Ranking: bm25 with the weights below, so that a pack's id counts more than its description; then downloads. It costs a
microsecond for each pack that has the words, and says little where very many have them. Those are listed as a query
without words is, the much used ones first (see ``many``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from registry_server.packs.tables import PackRow
from registry_server.search.many import named_exactly, page_of_many
from registry_server.search.query import Bounds, Query, SearchText, filtered, is_filtered, listing_order

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
_COUNT = text("SELECT count(*) FROM pack_search WHERE pack_search MATCH :words")
_IS_COMMON = text("SELECT 1 FROM pack_search WHERE pack_search MATCH :words LIMIT 1 OFFSET :others")
_BEST = text(
    "WITH m AS MATERIALIZED (SELECT rowid, rank AS score FROM pack_search WHERE pack_search MATCH :words "
    f"AND rank MATCH 'bm25({WEIGHTS})' ORDER BY rank LIMIT :candidates) "
    "SELECT p.id FROM m CROSS JOIN packs AS p ON p.id = m.rowid "
    "ORDER BY m.score, p.downloads DESC, p.id LIMIT :limit OFFSET :offset"
)
"""All packs in the table are active. FTS5 itself leaves out what is not among the best: most packs are never read."""
_SCORES = text(f"SELECT rowid, bm25(pack_search, {WEIGHTS}) FROM pack_search WHERE pack_search MATCH :words")
_MATCHING = "packs.id IN (SELECT rowid FROM pack_search WHERE pack_search MATCH :{})"
"""A plus before it keeps SQLite from reading each pack that has the words, instead of going along the list of packs."""


@dataclass(frozen=True)
class SqliteSearch:
    """FTS5 tables beside the packs' own, in the same transaction."""

    bounds: Bounds = field(default_factory=Bounds)

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
        words = " AND ".join(_term(session, word, self.bounds.common) for word in query.words)
        total = int(session.execute(_COUNT, {"words": words}).scalar_one())
        if total > self.bounds.ranked:
            return _many(session, words, query, total, self.bounds.named, offset, limit)
        trigrams = _trigrams(query.words)
        if not total and trigrams:
            return _misspelled(session, query, trigrams, offset, limit)
        if is_filtered(query):
            return _some(session, words, query, offset, limit)
        values = {"words": words, "candidates": offset + limit + _MOST_EQUAL, "limit": limit, "offset": offset}
        return total, [int(row[0]) for row in session.execute(_BEST, values)] if total else []


def _term(session: Session, word: str, common: int) -> str:
    """The word in FTS5's language. To find beginnings, FTS5 has to join the lists of all words that begin so."""
    found = session.execute(_IS_COMMON, {"words": f'"{word}"', "others": common - 1}).first()
    return f'"{word}"' if found else f'"{word}"*'


def _some(session: Session, words: str, query: Query, offset: int, limit: int) -> tuple[int, Sequence[int]]:
    """The best of those that the filters let through."""
    chosen = filtered(query).add_columns(PackRow.downloads).where(text(_MATCHING.format("words")))
    rows = session.execute(chosen, {"words": words})
    downloads = {int(row[0]): int(row[1]) for row in rows}
    scores = session.execute(_SCORES, {"words": words})
    best = sorted((score, -downloads[row], row) for row, score in scores if row in downloads)
    return len(best), [row for _, _, row in best[offset : offset + limit]]


def _many(
    session: Session, words: str, query: Query, total: int, named: int, offset: int, limit: int
) -> tuple[int, Sequence[int]]:
    chosen = filtered(query).where(text(f"+{_MATCHING.format('words')}")).params(words=words)
    if is_filtered(query):
        total = session.scalar(select(func.count()).select_from(chosen.subquery()), {"words": words}) or 0
    first = named_exactly(session, query)
    others = chosen if first is None else chosen.where(PackRow.id != first)
    listed = others.add_columns(text(_MATCHING.format("inside"))).order_by(*listing_order())  # type: ignore[arg-type]
    values = {"words": words, "inside": f"{{slug name}} : ({words})"}

    def fetch(start: int, count: int) -> Sequence[tuple[int, bool]]:
        rows = session.execute(listed.limit(count).offset(start), values)
        return [(int(row[0]), bool(row[1])) for row in rows]

    return total, page_of_many(fetch, first, named, offset, limit)


def _misspelled(
    session: Session, query: Query, trigrams: Sequence[str], offset: int, limit: int
) -> tuple[int, Sequence[int]]:
    near = _near(session, query.words, trigrams)
    allowed = set(session.scalars(filtered(query).where(PackRow.id.in_(near)))) if near else set()
    matching = [pack_id for pack_id in near if pack_id in allowed]
    return len(matching), matching[offset : offset + limit]


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
