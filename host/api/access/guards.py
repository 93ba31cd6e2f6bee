"""What stands before every route: who may ask from where, how much they may send, and escaped slashes."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ONE_SEGMENT = ("/userdata/", "/api/userdata/")
"""Routes that take a whole relative path as one segment, its slashes written as ``%2F``."""

CORS = {
    "Access-Control-Allow-Methods": "POST, GET, DELETE, PUT, OPTIONS, PATCH",
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
    "Access-Control-Allow-Credentials": "true",
}


class TooMuch(Exception):
    """A body that is larger than the server takes."""


class Guards:
    """ASGI middleware around the whole application.

    * A page of another origin may not talk to a server on a loopback address, unless ``cors_origin`` allows it.
    * Nor may a page whose own name was made to lead to this machine (DNS rebinding): requests must address the server
      by an IP address, as ``localhost``, or by one of ``allowed_hosts``; None lets every name pass.
    * ``OPTIONS`` is answered with 200, ``HEAD`` like ``GET`` without its body.
    * A body above ``max_bytes`` is answered with 413.
    """

    def __init__(
        self, app: ASGIApp, *, cors_origin: str | None, max_bytes: int, allowed_hosts: Collection[str] | None = None
    ) -> None:
        self._app, self._cors_origin, self._max_bytes = app, cors_origin, max_bytes
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._cors_origin is None and is_foreign(headers):
            await _refuse(scope, receive, send)
        elif self._allowed_hosts is not None and not is_known(headers.get("host", ""), self._allowed_hosts):
            await _refuse(scope, receive, send, _unknown_name(headers["host"]))
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._http(scope, headers, receive, send)

    async def _http(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        send = self._with_cors(send)
        if scope["method"] == "OPTIONS":
            await _answer(send, 200)
            return
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            await _answer(send, 413)
            return
        scope = {**scope, "path": one_segment(scope)}
        if scope["method"] == "HEAD":
            scope["method"], send = "GET", _without_body(send)
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, with a bound on what it reads: not every client says how much it sends."""
        read, started = 0, False

        async def counted_receive() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_bytes:
                raise TooMuch
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted_receive, watched_send)
        except TooMuch:
            if not started:
                await _answer(send, 413)

    def _with_cors(self, send: Send) -> Send:
        if self._cors_origin is None:
            return send
        allowed = {"Access-Control-Allow-Origin": self._cors_origin, **CORS}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(allowed)
            await send(message)

        return with_headers


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another origin asks a server that was addressed by a loopback name.

    A browser says truthfully where a page comes from, so such a page can't use what listens on the user's machine.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    if not host or origin is None:
        return False
    try:
        asked, asking = urlsplit(f"//{host}"), urlsplit(origin)
        usual = {"http": 80, "https": 443}.get(asking.scheme)
        same = (asked.hostname, asked.port or usual) == (asking.hostname, asking.port or usual)
    except ValueError:
        return True
    return not same and is_loopback(asked.hostname or "")


def is_known(host: str, allowed: Collection[str]) -> bool:
    """Whether a ``Host`` header holds an IP address, a name of the machine itself, or an allowed name.

    Args:
        allowed: names; one that begins with a dot stands for all names that end so.
    """
    if not host:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith((".localhost", *(entry for entry in allowed if entry.startswith(".")))):
        return True
    return name in allowed or _is_address(name)


def _unknown_name(host: str) -> str:
    name = host.encode("latin-1", "replace").decode("utf-8", "replace")
    return (
        f"This server was addressed as {name!r:.200}, a name that it does not know as its own. Use its IP address or "
        "localhost, or start it with --allowed-hosts and that name."
    )


def one_segment(scope: Scope) -> str:
    """The path for routing: below ``ONE_SEGMENT`` each segment stays escaped, so that ``%2F`` separates nothing."""
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or b""
    if not path.startswith(ONE_SEGMENT) or not raw:
        return path
    return raw.partition(b"?")[0].decode("latin-1")


def unescaped(segment: str) -> str:
    """What a segment of such a path says."""
    return unquote(segment)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str = "") -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # before it was accepted: the handshake gets 403
    else:
        await _answer(send, 403, reason)


async def _answer(send: Send, status: int, reason: str = "") -> None:
    body = reason.encode()
    headers = [(b"content-length", str(len(body)).encode())]
    if body:
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _without_body(send: Send) -> Send:
    async def head(message: Message) -> None:
        if message["type"] == "http.response.body":
            if message.get("more_body"):
                return
            message = {**message, "body": b""}
        await send(message)

    return head
