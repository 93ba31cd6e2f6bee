"""The order of packs where very many have the words that are looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from registry_server.packs.tables import PackRow
from registry_server.search.query import Query, filtered
from sdk.registry import fold

Fetch = Callable[[int, int], Sequence[tuple[int, bool]]]


def page_of_many(fetch: Fetch, first: int | None, most: int, offset: int, limit: int) -> list[int]:
    """Ids of packs: the much used ones first, and of ``most`` of them those with the words in their names.

    Args:
        fetch: gives so many packs from an offset on, much used ones first: ids, and whether their names have the words.
        first: goes before all of them; ``fetch`` leaves it out.
    """
    before = [first] if first is not None else []
    start = offset - len(before)
    if start >= most:
        return [pack_id for pack_id, _ in fetch(start, limit)]
    window = fetch(0, most)
    named, others = ([pack_id for pack_id, has in window if has is wanted] for wanted in (True, False))
    found = [*before, *named, *others][offset : offset + limit]
    if len(found) < limit and len(window) == most:
        found += [pack_id for pack_id, _ in fetch(most, limit - len(found))]
    return found


def named_exactly(session: Session, query: Query) -> int | None:
    """The pack whose id the words are, if the filters let it through."""
    return session.scalar(filtered(query).where(PackRow.folded == fold("-".join(query.words))))
