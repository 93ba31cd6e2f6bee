"""Search in PostgreSQL: full text for words and their beginnings, trigrams where no word is found.

Ranking: ``ts_rank`` with the weights below; then downloads. Where very many packs have the words, that takes long and
says little. Those are listed as a query without words is, the much used ones first (see ``many``); and PostgreSQL's
statistics have to say how many they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Select, column, func, select, table, text
from sqlalchemy.orm import Session

from registry_server.packs.tables import PackRow
from registry_server.search.many import named_exactly, page_of_many
from registry_server.search.query import WORDS, Bounds, Query, SearchText, filtered, is_filtered, listing_order

_DOCUMENT = (
    "setweight(to_tsvector('simple', :slug), 'A') || setweight(to_tsvector('simple', :name), 'A') || "
    "setweight(to_tsvector('simple', :tags), 'B') || setweight(to_tsvector('simple', :nodes), 'C') || "
    "setweight(to_tsvector('simple', :publisher), 'C') || setweight(to_tsvector('simple', :description), 'D')"
)
_PUT = text(
    f"INSERT INTO pack_search(pack_id, document, words) VALUES (:id, {_DOCUMENT}, :words) "
    "ON CONFLICT (pack_id) DO UPDATE SET document = excluded.document, words = excluded.words"
)
_TABLE = table("pack_search", column("pack_id"), column("document"), column("words"))
LEAST_SIMILARITY = 0.45
HAS_WORDS = "pack_search.document @@ to_tsquery('simple', :words)"
_RANK = "ts_rank(pack_search.document, to_tsquery('simple', :words)) * (1 + ln(1 + packs.downloads) / 20)"
_IS_NEAR = ":words <% pack_search.words"
_NEARNESS = "word_similarity(:words, pack_search.words)"
_IN_NAMES = "pack_search.document @@ to_tsquery('simple', :inside)"
_IS_COMMON = text(f"SELECT 1 FROM pack_search WHERE {HAS_WORDS} LIMIT 1 OFFSET :others")
_LONGEST_TEXT = 200_000
"""Characters; a tsvector holds less than a megabyte."""


@dataclass(frozen=True)
class PostgresSearch:
    """A tsvector for each pack."""

    bounds: Bounds = field(default_factory=Bounds)

    def put(self, session: Session, pack_id: int, text: SearchText) -> None:
        """Make a pack findable by this text alone."""
        fields = {name: _apart(getattr(text, name)) for name in SearchText.__dataclass_fields__}
        session.execute(_PUT, {"id": pack_id, "words": f"{text.slug} {text.name}".lower(), **fields})

    def remove(self, session: Session, pack_id: int) -> None:
        """Make a pack unfindable."""
        session.execute(text("DELETE FROM pack_search WHERE pack_id = :id"), {"id": pack_id})

    def find(self, session: Session, query: Query, offset: int, limit: int) -> tuple[int, Sequence[int]]:
        """How many packs match, and the ids of some of them, best first."""
        if not query.words:
            chosen = filtered(query)
            total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
            ordered = chosen.order_by(*listing_order()).limit(limit).offset(offset)  # type: ignore[arg-type]
            return total, list(session.scalars(ordered))
        words = " & ".join(_term(session, word, self.bounds.common) for word in query.words)
        total = _count(session, query, words, self.bounds.ranked)
        if total > self.bounds.ranked:
            return _many(session, words, query, self.bounds, offset, limit)
        if total:
            return total, _best(session, query, offset, limit, HAS_WORDS, _RANK, words)
        phrase = " ".join(query.words)
        session.execute(text(f"SET LOCAL pg_trgm.word_similarity_threshold = {LEAST_SIMILARITY}"))
        near = _joined(query, _IS_NEAR)
        total = session.scalar(select(func.count()).select_from(near.subquery()), {"words": phrase}) or 0
        return total, _best(session, query, offset, limit, _IS_NEAR, _NEARNESS, phrase)


def _term(session: Session, word: str, common: int) -> str:
    """The word in PostgreSQL's language; a frequent one is looked for as it is, as in SQLite."""
    found = session.execute(_IS_COMMON, {"words": word, "others": common - 1}).first()
    return word if found else f"{word}:*"


def _count(session: Session, query: Query, words: str, most: int) -> int:
    """How many packs match; of more than ``most``, that there are more."""
    # All packs in the table are active: only filters have to look at the packs themselves.
    every = select(_TABLE.c.pack_id).where(text(HAS_WORDS))
    some = (_joined(query, HAS_WORDS) if is_filtered(query) else every).limit(most + 1)
    return session.scalar(select(func.count()).select_from(some.subquery()), {"words": words}) or 0


def _many(
    session: Session, words: str, query: Query, bounds: Bounds, offset: int, limit: int
) -> tuple[int, Sequence[int]]:
    chosen = _joined(query, HAS_WORDS).params(words=words)
    total = max(_estimate(session, chosen), bounds.ranked + 1)
    first = named_exactly(session, query)
    others = chosen if first is None else chosen.where(PackRow.id != first)
    listed = others.add_columns(text(_IN_NAMES)).order_by(*listing_order())  # type: ignore[arg-type]
    values = {"words": words, "inside": " & ".join(_in_name(word) for word in words.split(" & "))}

    def fetch(start: int, count: int) -> Sequence[tuple[int, bool]]:
        return [(int(row[0]), bool(row[1])) for row in session.execute(listed.limit(count).offset(start), values)]

    found = page_of_many(fetch, first, bounds.named, offset, limit)
    return max(total, offset + len(found)), found


def _in_name(word: str) -> str:
    """Of the weight that id and name have."""
    return f"{word}A" if word.endswith(":*") else f"{word}:A"


def _estimate(session: Session, chosen: Select[int]) -> int:
    """How many rows the planner expects: counting them would take longer than all the rest."""
    compiled = chosen.compile(dialect=session.get_bind().dialect)
    plan = session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params).scalar_one()
    return int(plan[0]["Plan"]["Plan Rows"])


def _joined(query: Query, condition: str) -> Select[int]:
    return filtered(query).join(_TABLE, _TABLE.c.pack_id == PackRow.id).where(text(condition))


def _best(
    session: Session, query: Query, offset: int, limit: int, condition: str, score: str, words: str
) -> Sequence[int]:
    chosen = _joined(query, condition).order_by(text(f"{score} DESC"), PackRow.downloads.desc(), PackRow.id)
    return list(session.scalars(chosen.limit(limit).offset(offset), {"words": words}))


def _apart(text: str) -> str:
    """Words alone: PostgreSQL takes ``my_pack-x`` for one, and leaves out what looks like markup."""
    words = " ".join(WORDS.findall(text))
    return f"{words} {words.replace('_', ' ')}"[:_LONGEST_TEXT]
