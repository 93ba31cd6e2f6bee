"""``/object_info``: what nodes there are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from host.api.answers import JSON_TYPE, answer_json
from host.api.node_info import NodeInfo
from host.engine.catalogue import Catalogue


def node_router(info: NodeInfo, catalogue: Catalogue) -> APIRouter:
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

    @router.get("/node_replacements")
    def former_names() -> Response:
        """By a node's former name, what took its place; the inputs are the same."""
        unchanged = {"old_widget_ids": None, "input_mapping": None, "output_mapping": None}
        found: dict[str, list[dict[str, Any]]] = {}
        for node in catalogue:
            for alias in node.aliases:
                found.setdefault(alias, []).append({"new_node_id": node.id, "old_node_id": alias, **unchanged})
        return answer_json(found)

    return router
