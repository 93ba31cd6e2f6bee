"""What the rest of the client asks of an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sdk.registry import NodeClaim, Pack


@dataclass(frozen=True)
class Listing:
    """A pack as one registry lists it; ``registry`` is the registry's address."""

    pack: Pack
    registry: str


@dataclass(frozen=True)
class Found:
    """A line of a search's answer."""

    id: str
    name: str
    publisher: str
    description: str
    version: str
    registry: str


class Index(Protocol):
    """Packs by id. Asking changes nothing."""

    def pack(self, pack_id: str) -> Listing | None:
        """The pack of that id (folded), None where no registry has it."""

    def prefetch(self, pack_ids: Iterable[str]) -> None:
        """These packs will be asked for; an index that has to fetch them may do so at once."""


class Catalogue(Index, Protocol):
    """An index that is wholly at hand, and can be searched."""

    def providers(self, node_id: str) -> list[Listing]:
        """The packs with a release that provides this node id or answers to it."""

    def search(self, words: str, limit: int) -> list[Found]:
        """Packs whose id, name, description, tags or publisher hold every word; best first."""

    def claims(self) -> Iterator[tuple[NodeClaim, str]]:
        """Every node of every pack's newest release, with the pack's id."""
