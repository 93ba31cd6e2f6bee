"""Search in PostgreSQL: full text for words and their beginnings, trigrams where no word is found."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import column, func, select, table, text
from sqlalchemy.orm import Session

from registry_server.packs.tables import PackRow
from registry_server.search.query import WORDS, Query, SearchText, filtered, listing_order

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
_LONGEST_TEXT = 200_000
"""Characters; a tsvector holds less than a megabyte."""


class PostgresSearch:
    """A tsvector for each pack."""

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
        words = " & ".join(f"{word}:*" for word in query.words)
        found = _matching(
            session, query, offset, limit, "pack_search.document @@ to_tsquery('simple', :words)",
            "ts_rank(pack_search.document, to_tsquery('simple', :words)) * (1 + ln(1 + packs.downloads) / 20)", words,
        )  # fmt: skip
        if found[0]:
            return found
        phrase = " ".join(query.words)
        session.execute(text(f"SET LOCAL pg_trgm.word_similarity_threshold = {LEAST_SIMILARITY}"))
        score = "word_similarity(:words, pack_search.words)"
        return _matching(session, query, offset, limit, ":words <% pack_search.words", score, phrase)


def _matching(
    session: Session, query: Query, offset: int, limit: int, condition: str, score: str, words: str
) -> tuple[int, Sequence[int]]:
    joined = filtered(query).join(_TABLE, _TABLE.c.pack_id == PackRow.id)
    matching = joined.where(text(condition)).params(words=words)
    total = session.scalar(select(func.count()).select_from(matching.subquery()), {"words": words}) or 0
    ordered = matching.order_by(text(f"{score} DESC"), PackRow.downloads.desc(), PackRow.id)
    return total, list(session.scalars(ordered.limit(limit).offset(offset)))


def _apart(text: str) -> str:
    """Words alone: PostgreSQL takes ``my_pack-x`` for one, and leaves out what looks like markup."""
    words = " ".join(WORDS.findall(text))
    return f"{words} {words.replace('_', ' ')}"[:_LONGEST_TEXT]
