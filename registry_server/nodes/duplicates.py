"""Nodes of other packs with the same code, or nearly the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from registry_server.nodes import repository
from registry_server.nodes.shapes import decode_signature
from sdk.similarity import similarity

NEAR = 0.8
"""From this similarity on (Jaccard, of the syntax tree's parts), two pieces of code are nearly the same."""
VENDORED_SHARE = 0.8
"""From this share of another pack's nodes on, and at least ``VENDORED_LEAST``, a pack contains a copy of it."""
VENDORED_LEAST = 3
MOST_PACKS = 200


@dataclass
class _Shared:
    """What two packs have in common."""

    slug: str
    same: list[list[str]] = field(default_factory=list)
    near: dict[str, tuple[str, float]] = field(default_factory=dict)

    def add_near(self, ours: str, theirs: str, alike: float) -> None:
        """Note a pair; of several for one of their nodes, the most alike counts."""
        if alike > self.near.get(theirs, ("", 0.0))[1]:
            self.near[theirs] = ours, alike


def duplicates_of(session: Session, pack_id: int, nodes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Packs that hold nodes with the code of these, or nearly so; those with the most in common first.

    Each entry names the ``pack``, the pairs of ``nodes`` with the very same code ([ours, theirs]), the pairs that are
    ``near`` ([ours, theirs, similarity]), the ``share`` of its nodes that we have either way, and whether we hold a
    copy of that pack (``vendored``).

    Args:
        nodes: a release's, each with ``id`` and perhaps ``code``.
    """
    ours: dict[str, str] = {node["code"]: node["id"] for node in nodes if node.get("code")}
    shared: dict[int, _Shared] = {}
    for holder in repository.holders_of(session, ours, pack_id):
        found = shared.setdefault(holder.pack_id, _Shared(holder.slug))
        found.same.append([ours[holder.code], holder.node_id])
    alike = _near_codes(session, ours)
    for holder in repository.holders_of(session, alike, pack_id):
        found = shared.setdefault(holder.pack_id, _Shared(holder.slug))
        for code, value in alike[holder.code]:
            found.add_near(ours[code], holder.node_id, value)
    counts = repository.count_of(session, shared)
    entries = [_entry(found, counts.get(other, 0)) for other, found in shared.items()]
    return sorted(entries, key=lambda one: (-len(one["nodes"]), -len(one["near"]), one["pack"]))[:MOST_PACKS]


def _near_codes(session: Session, ours: Iterable[str]) -> dict[str, list[tuple[str, float]]]:
    """Other code that is near some of ours: ``{theirs: [(ours, similarity)]}``."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    bodies = repository.signatures_of(session, ours)
    sharing = repository.sharing_bands(session, bodies.values())
    for code, body in bodies.items():
        signature = decode_signature(body)
        for other, candidate in sharing[body].items():
            value = similarity(signature, decode_signature(candidate)) if other != code else 0.0
            if value >= NEAR:
                found[other].append((code, value))
    return found


def _entry(found: _Shared, count: int) -> dict[str, Any]:
    same = {theirs for _, theirs in found.same}
    near = [[ours, theirs, round(value, 3)] for theirs, (ours, value) in found.near.items() if theirs not in same]
    matching = len(same) + len(near)
    share = matching / max(count, matching)
    return {
        "pack": found.slug,
        "nodes": sorted(found.same),
        "near": sorted(near),
        "share": round(share, 3),
        "vendored": matching >= VENDORED_LEAST and share >= VENDORED_SHARE,
    }
