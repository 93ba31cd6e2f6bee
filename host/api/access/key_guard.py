"""Lets in only requests that show an API key with the right scope."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from host.api.answers import problem
from sdk.web import Route, Scope

if TYPE_CHECKING:
    from host.api.access.api_keys import ApiKeys

COOKIE = "comfy_nodes_key"
OPEN = frozenset({"/healthz"})
ADMIN = (re.compile(r"/internal/"), re.compile(r"/free$"), re.compile(r"/webhooks$"), re.compile(r"/metrics$"))
READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class KeyGuard:
    """ASGI middleware. The key is a bearer token, the header ``X-API-Key``, or ``?token=`` of a websocket.

    A browser opens ``/?token=…`` once and has a cookie from then on, which no other site can make it send.

    Args:
        routes: those of packs, some of which ask for scopes of their own.
    """

    def __init__(self, app: ASGIApp, *, keys: ApiKeys, routes: Iterable[Route] = ()) -> None:
        self._app, self._keys = app, keys
        self._routes = [(compile_path(route.path)[0], route) for route in routes]

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the handshake gets 403
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Connection) -> Response | None:
        """The answer to a request that is not let in."""
        path = scope["path"]
        if path in OPEN or scope.get("method") == "OPTIONS":
            return None
        said = key_of(scope)
        token = _token(scope)
        key = self._keys.find(said) if said else None
        if scope["type"] == "http" and path == "/" and token and self._keys.find(token):
            return _with_cookie(token)
        if key is None:
            text = "This server wants an API key: send it as 'Authorization: Bearer …' or 'X-API-Key: …'."
            answer = problem(text, 401)
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        wanted = self.scope_of(scope.get("method", "GET"), path)
        if key.allows(wanted):
            return None
        return problem(f"The key {key.name!r} lacks the scope {wanted.value!r}.", 403)

    def scope_of(self, method: str, path: str) -> Scope:
        """What a key must allow for a request."""
        plain = path.removeprefix("/api")
        for pattern, route in self._routes:
            if route.scope is not None and method in route.methods and pattern.match(plain):
                return route.scope
        if any(pattern.match(plain) for pattern in ADMIN) or (plain == "/users" and method not in READ_METHODS):
            return Scope.ADMIN
        return Scope.READ if method in READ_METHODS else Scope.RUN


def key_of(scope: Connection) -> str | None:
    """The key that a request shows, wherever it does."""
    headers = Headers(scope=scope)
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and value:
        return value.strip()
    if said := headers.get("x-api-key"):
        return said
    if scope["type"] == "websocket" and (token := _token(scope)):
        return token
    return _cookie(headers.getlist("cookie"))


def _token(scope: Connection) -> str | None:
    found = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token")
    return found[0] if found else None


def _cookie(lines: Sequence[str]) -> str | None:
    for line in lines:
        try:
            found = SimpleCookie(line).get(COOKIE)
        except CookieError:
            continue
        if found is not None:
            return found.value
    return None


def _with_cookie(token: str) -> Response:
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/")
    return answer
