"""Search in PostgreSQL: full text for words and their beginnings, trigrams where no word is found."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

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
        found = self._matching(
            session, query, offset, limit, "document @@ to_tsquery('simple', :words)",
            "ts_rank(document, to_tsquery('simple', :words)) * (1 + ln(1 + p.downloads) / 20)", words,
        )  # fmt: skip
        if found[0]:
            return found
        phrase = " ".join(query.words)
        session.execute(text(f"SET LOCAL pg_trgm.word_similarity_threshold = {LEAST_SIMILARITY}"))
        return self._matching(
            session, query, offset, limit, ":words <% s.words", "word_similarity(:words, s.words)", phrase
        )

    def _matching(
        self, session: Session, query: Query, offset: int, limit: int, condition: str, score: str, words: str
    ) -> tuple[int, Sequence[int]]:
        chosen = filtered(query).subquery()
        ids = select(chosen.c.id)
        rows = session.execute(
            text(
                f"SELECT s.pack_id, {score} AS score, p.downloads FROM pack_search AS s "
                f"JOIN packs AS p ON p.id = s.pack_id WHERE {condition} ORDER BY score DESC, p.downloads DESC, p.id"
            ),
            {"words": words},
        ).all()
        allowed = set(session.scalars(ids.where(chosen.c.id.in_([row[0] for row in rows])))) if rows else set()
        matching = [int(row[0]) for row in rows if row[0] in allowed]
        return len(matching), matching[offset : offset + limit]


def _apart(text: str) -> str:
    """Words alone: PostgreSQL takes ``my_pack-x`` for one, and leaves out what looks like markup."""
    words = " ".join(WORDS.findall(text))
    return f"{words} {words.replace('_', ' ')}"[:_LONGEST_TEXT]
