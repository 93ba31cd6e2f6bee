"""The files ComfyUI-Manager reads from a channel: its catalogue and its map of node ids, made from our packs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry_server.db.database import Database
from registry_server.nodes.core import core_nodes
from registry_server.nodes.tables import NodeClaimRow
from registry_server.packs.tables import PackRow

CATALOGUE = "custom-node-list.json"
NODE_MAP = "extension-node-map.json"
HOST = "https://github.com/comfyanonymous/ComfyUI"  # by which ComfyUI-Manager knows nodes that need no pack


def channel_files(database: Database) -> dict[str, Callable[[int], bytes]]:
    """Every file of a channel, as documents of the index."""

    def made(build: Callable[[Session], object]) -> Callable[[int], bytes]:
        def make(_serial: int) -> bytes:
            with database.read() as session:
                return json.dumps(build(session), ensure_ascii=False, indent=1).encode()

        return make

    return {
        CATALOGUE: made(catalogue),
        NODE_MAP: made(node_map),
        "model-list.json": made(lambda _session: {"models": []}),
        "alter-list.json": made(lambda _session: {"items": []}),
        "github-stats.json": made(github_stats),
    }


def catalogue(session: Session) -> dict[str, Any]:
    """``custom-node-list.json``; packs without a repository are named by their id."""
    return {"custom_nodes": [_entry(pack) for pack in _packs(session)]}


def node_map(session: Session) -> dict[str, Any]:
    """``extension-node-map.json``: repository or id to its node ids and its title; the host's own nodes come first."""
    ids: dict[int, list[str]] = defaultdict(list)
    query = select(NodeClaimRow.pack_id, NodeClaimRow.node_id).where(NodeClaimRow.listed)
    for pack_id, node_id in session.execute(query.order_by(NodeClaimRow.node_id)):
        ids[pack_id].append(node_id)
    return {HOST: [sorted(core_nodes()), {"title_aux": "ComfyUI"}]} | {
        _key(pack): [ids[pack.id], {"title_aux": pack.name or pack.slug}] for pack in _packs(session) if ids[pack.id]
    }


def github_stats(session: Session) -> dict[str, Any]:
    """``github-stats.json``, as far as stars are known."""
    return {
        pack.repository: {"stars": pack.stars, "last_update": pack.updated_at[:10], "author_account_age_days": 0}
        for pack in _packs(session)
        if pack.repository and pack.stars
    }


def _packs(session: Session) -> Iterator[PackRow]:
    yield from session.scalars(select(PackRow).where(PackRow.status == "active").order_by(PackRow.folded))


def _key(pack: PackRow) -> str:
    return pack.repository or pack.slug


def _entry(pack: PackRow) -> dict[str, Any]:
    published = pack.latest_id is not None
    return {
        "author": pack.publisher.name or pack.publisher.id if pack.publisher else pack.author,
        "title": pack.name or pack.slug,
        "id": pack.slug,
        "reference": pack.repository or pack.slug,
        "files": [pack.repository or pack.slug],
        "install_type": "cnr" if published else "git-clone",
        "description": pack.description,
    }
