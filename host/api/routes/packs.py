"""Routes that packs add to the web API."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from host.api.answers import answer_json
from host.api.requests import json_body
from sdk.web import Route, WebAnswer

if TYPE_CHECKING:
    from host.plugins import Pack

logger = logging.getLogger(__name__)


class PackRequest(Request):
    """``sdk.WebRequest``: a body that is no JSON is answered with 400."""

    async def json(self) -> Any:
        return await json_body(self)


def pack_router(contributions: Iterable[tuple[Pack, Route]]) -> APIRouter:
    """The packs' routes; what a handler returns becomes the answer."""
    router = APIRouter()
    for pack, route in contributions:
        endpoint, description = _endpoint(route), inspect.getdoc(route.handler)
        for method in route.methods:
            router.add_api_route(
                route.path,
                endpoint,
                methods=[method],
                tags=[f"pack {pack.name}"],
                summary=route.name,
                description=description or f"A route of the pack {pack.name}.",
            )
    return router


def warn_of_hidden(contributions: Iterable[tuple[Pack, Route]], own_paths: Iterable[str]) -> None:
    """Say in the log which routes of packs nobody can reach, because the server has one of that path itself."""
    own = set(own_paths)
    for pack, route in contributions:
        if route.path in own:
            logger.warning(
                "pack %s: its route %s is hidden by the server's own; give it another path", pack.name, route.name
            )


def _endpoint(route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        seen = PackRequest(request.scope, request.receive)
        if inspect.iscoroutinefunction(route.handler):
            value = await route.handler(seen)
        else:
            value = await run_in_threadpool(route.handler, seen)
        return _response(value)

    return answer


def _response(value: Any) -> Response:
    if isinstance(value, WebAnswer):
        return Response(value.body, value.status, headers=dict(value.headers), media_type=value.media_type)
    return answer_json(value)
