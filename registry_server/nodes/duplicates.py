"""Nodes of other packs with the same code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from registry_server.nodes import repository

VENDORED_SHARE = 0.8
"""From this share of another pack's nodes on, and at least ``VENDORED_LEAST``, a pack contains a copy of it."""
VENDORED_LEAST = 3


def same_code(session: Session, pack_id: int, nodes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Packs that hold nodes with the very code of these.

    Each entry names the ``pack``, the pairs of ``nodes`` ([ours, theirs]), the ``share`` of its nodes that we have,
    and whether we hold a copy of that pack (``vendored``).
    """
    ours: dict[str, str] = {node["code"]: node["id"] for node in nodes if node.get("code")}
    pairs: dict[int, list[list[str]]] = defaultdict(list)
    slugs: dict[int, str] = {}
    for claim, pack in repository.claims_with_code(session, ours, pack_id):
        if claim.listed and pack.status == "active":
            pairs[pack.id].append([ours[claim.code], claim.node_id])
            slugs[pack.id] = pack.slug
    counts = repository.count_of(session, pairs)
    found = []
    for other, matching in pairs.items():
        share = len(matching) / max(counts.get(other, 0), 1)
        vendored = len(matching) >= VENDORED_LEAST and share >= VENDORED_SHARE
        found.append({"pack": slugs[other], "nodes": sorted(matching), "share": round(share, 3), "vendored": vendored})
    return sorted(found, key=lambda entry: (-len(entry["nodes"]), entry["pack"]))
