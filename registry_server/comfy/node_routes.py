"""Packs and versions: what is listed, found and installed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from registry_server.accounts.identity import Scope
from registry_server.accounts.service import require
from registry_server.comfy import queries
from registry_server.comfy.bodies import BulkVersions
from registry_server.comfy.views import node_view, page_view, version_view
from registry_server.errors import BadRequest
from registry_server.packs import repository as packs
from registry_server.packs.service import find_pack, find_release
from registry_server.requests import Reading, Registry, Root, Text, Who, Writing, page_of
from registry_server.search.query import Query as SearchQuery

router = APIRouter(tags=["Comfy API: packs"])

Page = Annotated[int | None, Query()]
Listed = Annotated[list[Text], Query(default_factory=list)]
Word = Annotated[Text, Query(max_length=500)]


@router.get("/nodes")
def list_nodes(
    session: Reading,
    parts: Registry,
    root: Root,
    node_id: Listed,
    page: Page = None,
    limit: Page = None,
    supported_os: Word = "",
    supported_accelerator: Word = "",
) -> dict[str, Any]:
    """Packs, much used ones first."""
    number, size = page_of(page, limit)
    if node_id:
        rows = [row for row in packs.packs_by_slug(session, node_id) if row.status != "deleted"]
        chosen = rows[(number - 1) * size : number * size]
        return page_view("nodes", queries.node_views(session, chosen, root), len(rows), number, size)
    query = SearchQuery(system=supported_os, accelerator=supported_accelerator)
    total, nodes = queries.search_nodes(session, parts.search, query, number, size, root)
    return page_view("nodes", nodes, total, number, size)


@router.get("/nodes/search")
def search_nodes(
    session: Reading,
    parts: Registry,
    root: Root,
    search: Word = "",
    comfy_node_search: Word = "",
    page: Page = None,
    limit: Page = None,
    supported_os: Word = "",
    supported_accelerator: Word = "",
) -> dict[str, Any]:
    """Packs by words in what they say of themselves, or in their nodes' names."""
    number, size = page_of(page, limit)
    words = f"{search} {comfy_node_search}".strip()
    query = SearchQuery(text=words, system=supported_os, accelerator=supported_accelerator)
    total, nodes = queries.search_nodes(session, parts.search, query, number, size, root)
    return page_view("nodes", nodes, total, number, size)


@router.get("/nodes/{node_id}", response_model=None)
def get_node(node_id: str, session: Reading, root: Root, request: Request) -> dict[str, Any] | Response:
    """A pack; in another spelling than its own it is pointed to."""
    pack = find_pack(session, node_id)
    if pack.slug != node_id:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{root}/nodes/{pack.slug}{query}", 302)
    latest = packs.release_by_id(session, pack.latest_id) if pack.latest_id else None
    return node_view(pack, latest, root)


@router.get("/nodes/{node_id}/install")
def install_node(node_id: str, session: Writing, root: Root, version: Word = "") -> dict[str, Any]:
    """The version to install; counts as a download."""
    pack, release = queries.installable(session, node_id, version)
    packs.count_download(session, pack.id, release.id)
    return version_view(pack, release, root)


@router.get("/nodes/{node_id}/versions")
def list_versions(
    node_id: str,
    session: Reading,
    root: Root,
    statuses: Listed,
) -> list[dict[str, Any]]:
    """A pack's versions, newest first: a bare array."""
    return queries.version_views(session, node_id, queries.states_of(statuses), root)


@router.get("/nodes/{node_id}/versions/{version}")
def get_version(node_id: str, version: str, session: Reading, root: Root) -> dict[str, Any]:
    """One version, whatever its state."""
    pack = find_pack(session, node_id)
    return version_view(pack, find_release(session, pack, version), root)


@router.get("/versions")
def all_versions(
    session: Reading,
    root: Root,
    statuses: Listed,
    nodeId: Word = "",  # noqa: N803
    page: Page = None,
    pageSize: Page = None,  # noqa: N803
) -> dict[str, Any]:
    """Versions of all packs, newest first."""
    number, size = page_of(page, pageSize)
    pack_id = find_pack(session, nodeId).id if nodeId else None
    total, rows = packs.list_releases(session, queries.states_of(statuses), pack_id, (number - 1) * size, size)
    return {
        "total": total,
        "versions": [version_view(pack, release, root) for release, pack in rows],
        "page": number,
        "pageSize": size,
        "totalPages": -(-total // size),
    }


@router.post("/bulk/nodes/versions")
def bulk_versions(body: BulkVersions, session: Reading, root: Root) -> dict[str, Any]:
    """Many versions at once."""
    wanted = [(one.node_id, one.version) for one in body.node_versions]
    return {"node_versions": queries.bulk_versions(session, wanted, root)}


@router.post("/nodes/{node_id}/reviews")
def review(node_id: str, star: Annotated[int, Query()], session: Writing, root: Root, who: Who) -> dict[str, Any]:
    """Rate a pack with one to five stars."""
    if not 1 <= star <= 5:
        raise BadRequest(f"A rating has one to five stars, not {star}.")
    if not who.user and not who.is_admin:
        require(who, Scope.ACCOUNT)
    pack = find_pack(session, node_id)
    pack.rating_sum += star
    pack.rating_count += 1
    latest = packs.release_by_id(session, pack.latest_id) if pack.latest_id else None
    return node_view(pack, latest, root)
