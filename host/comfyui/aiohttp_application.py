"""Answers requests with the handlers that packs wrote for aiohttp.

They get aiohttp's requests and give its responses. So aiohttp itself runs them, inside this server's event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web

from host.comfyui.http_bridge import Receive, Scope, Send, forward
from host.comfyui.route_table import ANY_METHOD, STATIC, Declared, RouteTable

logger = logging.getLogger(__name__)


class AiohttpApplication:
    """``sdk.WebApplication`` that has aiohttp answer what packs declared.

    Args:
        routes: each exists under its path and below ``/api``; static folders under their path alone.
        application: gives the packs' own application, to which they may have added more.
    """

    def __init__(self, routes: RouteTable, application: Callable[[], web.Application]) -> None:
        self._routes, self._application = routes, application
        self._runner: web.AppRunner | None = None
        self._places: list[tuple[frozenset[str], Callable[[str], object]]] = []

    async def start(self) -> None:
        """Let aiohttp get ready; packs' ``on_startup`` functions run now."""
        application = self._application()
        for route in self._routes:
            try:
                _add(application.router, route)
            except (ValueError, RuntimeError, TypeError, AssertionError) as error:
                where = getattr(route.target, "__module__", route.target)
                logger.warning("the route %s %s of %s is not served: %s", route.method, route.path, where, error)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await self._runner.setup()
        self._places = [_place(resource) for resource in application.router.resources()]

    async def stop(self) -> None:
        """End connections; packs' ``on_shutdown`` and ``on_cleanup`` functions run now."""
        if self._runner is not None:
            self._places = []
            await self._runner.cleanup()

    def serves(self, method: str, path: str) -> bool:
        """Whether a pack declared a route for it."""
        return any((method in methods or ANY_METHOD in methods) and matches(path) for methods, matches in self._places)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._runner is not None, "it serves nothing before it was started"
        assert self._runner.server is not None
        await forward(self._runner.server, scope, receive, send)


def _add(router: web.UrlDispatcher, route: Declared) -> None:
    if route.method == STATIC:
        router.add_static(route.path, route.target, **route.options)
        return
    if (route.method, route.path) in {
        (known.method, known.resource.canonical) for known in router.routes() if known.resource
    }:
        raise ValueError("another pack has declared it already")
    for path in (route.path, f"/api{route.path}"):
        router.add_route(route.method, path, route.target, **route.options)


def _place(resource: web.AbstractResource) -> tuple[frozenset[str], Callable[[str], object]]:
    """The methods of a resource, and what says whether a path leads to it."""
    methods = frozenset(route.method for route in resource)
    info = resource.get_info()
    if "path" in info:
        return methods, info["path"].__eq__
    if "pattern" in info:
        return methods, info["pattern"].fullmatch
    return methods, lambda path: path.startswith(info["prefix"] + "/")
