"""Node names: which nodes a version has, and which pack has a node."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from registry_server.comfy import queries
from registry_server.comfy.bodies import Extracted
from registry_server.comfy.views import node_view
from registry_server.errors import NotFound
from registry_server.packs import repository as packs
from registry_server.packs.service import find_pack, find_release
from registry_server.requests import Reading, Registry, Root, Text, Who, Writing, page_of

router = APIRouter(tags=["Comfy API: nodes"])

Page = Annotated[int | None, Query()]
Word = Annotated[Text, Query(max_length=500)]


@router.get("/nodes/{node_id}/versions/{version}/comfy-nodes")
def list_comfy_nodes(
    node_id: str, version: str, session: Reading, page: Page = None, limit: Page = None
) -> dict[str, Any]:
    """The nodes of a version."""
    number, size = page_of(page, limit)
    nodes = queries.comfy_nodes(session, find_release(session, find_pack(session, node_id), version))
    return {
        "comfy_nodes": nodes[(number - 1) * size : number * size],
        "totalNumberOfPages": -(-len(nodes) // size),
        "total": len(nodes),
        "page": number,
        "limit": size,
    }


@router.get("/nodes/{node_id}/versions/{version}/comfy-nodes/{name:path}")
def get_comfy_node(node_id: str, version: str, name: str, session: Reading) -> dict[str, Any]:
    """One node of a version."""
    release = find_release(session, find_pack(session, node_id), version)
    return queries.comfy_node(session, release, name)


@router.post("/nodes/{node_id}/versions/{version}/comfy-nodes", status_code=204)
def put_comfy_nodes(
    node_id: str, version: str, body: Extracted, session: Writing, parts: Registry, who: Who
) -> Response:
    """Add nodes that static reading could not find, from a run of the pack."""
    parts.extraction.complete(session, who, parts.clock(), node_id, version, body.nodes if body.success else {})
    return Response(status_code=204)


@router.get("/comfy-nodes")
def search_comfy_nodes(
    session: Reading,
    node_id: Word = "",
    node_version: Word = "",
    comfy_node_name: Word = "",
    page: Page = None,
    limit: Page = None,
) -> dict[str, Any]:
    """Nodes of one pack's version, or all claims of one name."""
    number, size = page_of(page, limit)
    found = queries.find_comfy_nodes(session, node_id, node_version, comfy_node_name)
    return {
        "comfy_nodes": found[(number - 1) * size : number * size],
        "total": len(found),
        "page": number,
        "limit": size,
        "totalNumberOfPages": -(-len(found) // size),
    }


@router.get("/comfy-nodes/{name:path}/node")
def pack_of_node(name: str, session: Reading, root: Root) -> dict[str, Any]:
    """The pack to install for a node's name."""
    if not name:
        raise NotFound("node", name)
    pack = queries.pack_of_node(session, name)
    latest = packs.release_by_id(session, pack.latest_id) if pack.latest_id else None
    return node_view(pack, latest, root)
