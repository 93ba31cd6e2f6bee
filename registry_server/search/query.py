"""What can be searched for, and what a search engine must do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import Session

from registry_server.nodes.tables import NodeClaimRow
from registry_server.packs.tables import Label, PackRow
from sdk.registry import fold

WORDS = re.compile(r"\w+", re.UNICODE)
MOST_WORDS = 12
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, kw_only=True)
class Query:
    """What somebody looks for; empty fields ask for nothing.

    Attributes:
        text: words, all of which must be found; the last letters of each may be missing.
        node: a node id that the pack provides.
    """

    text: str = ""
    node: str = ""
    publisher: str = ""
    tag: str = ""
    system: str = ""
    accelerator: str = ""

    @property
    def words(self) -> list[str]:
        """The text's words, in lower case."""
        return [word.lower() for word in WORDS.findall(self.text)][:MOST_WORDS]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much work a search may be: what very many packs have tells none apart, and it takes long to find that out.

    Attributes:
        common: a word that so many packs have is looked for as it is; of others, the last letters may be missing.
        ranked: of more packs than these, texts are not compared: much used packs come first.
        named: of so many of those, the ones with the words in their names come before the others.
    """

    common: int = 1000
    ranked: int = 2000
    named: int = 500


@dataclass(frozen=True, kw_only=True)
class SearchText:
    """What a pack is found by; each field weighs differently."""

    slug: str
    name: str = ""
    description: str = ""
    publisher: str = ""
    tags: str = ""
    nodes: str = ""


class Search(Protocol):
    """A full-text index of packs inside the database."""

    def put(self, session: Session, pack_id: int, text: SearchText) -> None:
        """Make a pack findable by this text alone."""
        ...

    def remove(self, session: Session, pack_id: int) -> None:
        """Make a pack unfindable."""
        ...

    def find(self, session: Session, query: Query, offset: int, limit: int) -> tuple[int, Sequence[int]]:
        """How many packs match, and the ids of some of them, best first."""
        ...


def split_humps(name: str) -> str:
    """``KSamplerAdvanced`` with its words apart, so that each of them is found."""
    return _HUMPS.sub(" ", name)


def searchable_nodes(node_ids: Sequence[str]) -> str:
    """Node ids as text to search: whole, and word by word."""
    apart = [split_humps(node_id) for node_id in node_ids]
    return " ".join([*node_ids, *(words for words, whole in zip(apart, node_ids, strict=True) if words != whole)])


def filtered(query: Query) -> Select[int]:
    """Ids of the packs that the filters let through."""
    chosen = select(PackRow.id).where(PackRow.status == "active")
    if query.publisher:
        chosen = chosen.where(PackRow.publisher_id == query.publisher)
    if query.node:
        same = or_(NodeClaimRow.node_id == query.node, NodeClaimRow.folded == fold(query.node))
        chosen = chosen.where(PackRow.id.in_(select(NodeClaimRow.pack_id).where(same, NodeClaimRow.listed)))
    if query.tag:
        chosen = chosen.where(_labelled("tag", query.tag))
    for kind, wanted in (("system", query.system), ("accelerator", query.accelerator)):
        if wanted:
            any_will_do = ~exists().where(Label.pack_id == PackRow.id, Label.kind == kind)
            independent = _labelled(kind, "os independent")
            chosen = chosen.where(or_(any_will_do, independent, _labelled(kind, wanted)))
    return chosen


def is_filtered(query: Query) -> bool:
    """Whether there is anything but text to look for."""
    return bool(query.publisher or query.node or query.tag or query.system or query.accelerator)


def listing_order() -> tuple[object, ...]:
    """Packs that nothing tells apart: much used first, then recently changed; an index has this order."""
    return PackRow.search_ranking.desc(), PackRow.downloads.desc(), PackRow.updated_at.desc(), PackRow.id.desc()


def _labelled(kind: str, value: str) -> ColumnElement[bool]:
    matching = Label.value == value.lower() if kind == "tag" else Label.value.contains(value.lower(), autoescape=True)
    return exists().where(Label.pack_id == PackRow.id, Label.kind == kind, matching)
