"""``/object_info``: what nodes there are."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from host.api.answers import JSON_TYPE
from host.api.node_info import NodeInfo


def node_router(info: NodeInfo) -> APIRouter:
    """The routes about nodes."""
    router = APIRouter(tags=["nodes"])

    @router.get("/object_info")
    def all_nodes(request: Request) -> Response:
        """Every node by its class: inputs, outputs, category and texts."""
        content, tag = info.everything()
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=JSON_TYPE)

    @router.get("/object_info/{node_class:path}")
    def one_node(node_class: str) -> Response:
        """One node; an empty object if nobody offers it."""
        return Response(info.one(node_class), media_type=JSON_TYPE)

    return router
