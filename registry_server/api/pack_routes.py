"""Packs, their states, their nodes, search."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from registry_server.api.views import pack_details, pack_summary, release_details
from registry_server.nodes.duplicates import duplicates_of
from registry_server.nodes.service import describe
from registry_server.packs import repository as packs
from registry_server.packs.service import find_pack, find_release
from registry_server.requests import Reading, Registry, Text, Who, Writing, page_of
from registry_server.search.query import Query as SearchQuery

router = APIRouter(prefix="/api/v1", tags=["packs"])

Page = Annotated[int | None, Query()]
Word = Annotated[Text, Query(max_length=500)]


class Reason(BaseModel):
    """Why."""

    reason: Annotated[Text, Field(max_length=2000)] = ""


class DeprecationBody(Reason):
    """Why, what to use instead, and which version; the whole pack where none is named."""

    replacement: Annotated[Text, Field(max_length=500)] = ""
    version: Annotated[Text, Field(max_length=100)] = ""


@router.get("/search")
def search(
    session: Reading,
    parts: Registry,
    q: Word = "",
    node: Word = "",
    publisher: Word = "",
    tag: Word = "",
    os: Word = "",
    page: Page = None,
    limit: Page = None,
) -> dict[str, Any]:
    """Packs by text, node id, publisher, tag and system; best first."""
    number, size = page_of(page, limit, default=20)
    query = SearchQuery(text=q, node=node, publisher=publisher, tag=tag, system=os)
    total, ids = parts.search.find(session, query, (number - 1) * size, size)
    rows = packs.packs_by_id(session, ids)
    latest = packs.releases_by_id(session, [row.latest_id for row in rows])
    found = [pack_summary(row, latest.get(row.latest_id or "")) for row in rows]
    return {"total": total, "page": number, "limit": size, "packs": found}


@router.get("/packs/{pack_id}")
def get_pack(pack_id: str, session: Reading) -> dict[str, Any]:
    """A pack and all its releases."""
    return pack_details(session, find_pack(session, pack_id))


@router.get("/packs/{pack_id}/versions/{version}")
def get_release(pack_id: str, version: str, session: Reading) -> dict[str, Any]:
    """All that is known of one release."""
    pack = find_pack(session, pack_id)
    return release_details(session, pack, find_release(session, pack, version, details=True))


@router.get("/packs/{pack_id}/versions/{version}/findings")
def get_findings(pack_id: str, version: str, session: Reading) -> dict[str, Any]:
    """A release's scan findings, and what could not be read."""
    pack = find_pack(session, pack_id)
    release = find_release(session, pack, version, details=True)
    return {
        "id": pack.slug,
        "version": release.version,
        "state": release.state,
        "reason": release.reason,
        "findings": release.findings,
        "unread": release.unread,
    }


@router.post("/packs/{pack_id}/versions/{version}/yank")
def yank(pack_id: str, version: str, body: Reason, session: Writing, parts: Registry, who: Who) -> dict[str, Any]:
    """Take a version out of resolving."""
    release = parts.packs.yank(session, who, parts.clock(), pack_id, version, body.reason)
    return {"id": find_pack(session, pack_id).slug, "version": release.version, "state": release.state}


@router.delete("/packs/{pack_id}/versions/{version}/yank")
def unyank(pack_id: str, version: str, session: Writing, parts: Registry, who: Who) -> dict[str, Any]:
    """Let a yanked version resolve again."""
    release = parts.packs.unyank(session, who, parts.clock(), pack_id, version)
    return {"id": find_pack(session, pack_id).slug, "version": release.version, "state": release.state}


@router.post("/packs/{pack_id}/deprecate")
def deprecate(pack_id: str, body: DeprecationBody, session: Writing, parts: Registry, who: Who) -> dict[str, Any]:
    """Ask users to leave a pack, or one of its versions."""
    pack = parts.packs.deprecate(
        session,
        who,
        parts.clock(),
        pack_id,
        deprecated=True,
        reason=body.reason,
        replacement=body.replacement,
        version=body.version,
    )
    return {"id": pack.slug, "version": body.version, "deprecated": True}


@router.delete("/packs/{pack_id}/deprecate")
def undeprecate(pack_id: str, session: Writing, parts: Registry, who: Who, version: Word = "") -> dict[str, Any]:
    """Take that back."""
    pack = parts.packs.deprecate(session, who, parts.clock(), pack_id, deprecated=False, version=version)
    return {"id": pack.slug, "version": version, "deprecated": False}


@router.get("/packs/{pack_id}/duplicates")
def duplicates(pack_id: str, session: Reading, version: Word = "") -> dict[str, Any]:
    """Packs that now hold the code of a version's nodes, or nearly so; of the newest version where none is named."""
    pack = find_pack(session, pack_id)
    latest = packs.release_by_id(session, pack.latest_id) if pack.latest_id else None
    chosen = find_release(session, pack, version) if version else latest
    found = duplicates_of(session, pack.id, chosen.nodes) if chosen else []
    return {"id": pack.slug, "version": chosen.version if chosen else "", "duplicates": found}


@router.get("/nodes/{node_id:path}")
def get_node(node_id: str, session: Reading) -> dict[str, Any]:
    """Owner, claimants and aliases of a node id."""
    return describe(session, node_id)
