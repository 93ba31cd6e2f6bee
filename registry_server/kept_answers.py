"""Answers kept in memory, and given again as long as the database has not changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry_server.index.documents import Headers

MOST_BYTES = 16 * 2**20
LARGEST = 2**20
KEPT = ("/nodes", "/comfy-nodes/", "/versions", "/api/v1/packs/", "/api/v1/nodes/", "/api/v1/search", "/publishers/")
_NEVER = ("/install", "/tokens")
"""Ends of addresses whose answers are counted, or are for one client alone."""

State = Callable[[], object]


class KeptAnswers:
    """Middleware: remembers what public GET requests were answered, with an ETag to ask for it again.

    An answer is right as long as ``state`` is: it changes with every write of this process, and with those of others
    as soon as this process can know of them.

    Args:
        state: a value that differs from an earlier one if anything may have changed; ``None`` where that is unknown.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._state = app, state
        self._kept: OrderedDict[tuple[object, ...], tuple[Headers, bytes]] = OrderedDict()
        self._bytes = 0
        self._of: object = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from memory, or pass the request on and remember its answer."""
        key, none_match = _key(scope)
        state = self._state() if key else None
        if key is None or state is None:
            await self._app(scope, receive, send)
            return
        if state != self._of:
            self._forget(state)
        found = self._kept.get(key)
        if found is None:
            recorder = _Recorder(send)
            await self._app(scope, receive, recorder)
            if recorder.is_whole and state == self._of:
                self._keep(key, recorder.headers, recorder.body)
            return
        headers, body = found
        self._kept.move_to_end(key)
        if none_match and none_match == _etag(headers):
            kept = [pair for pair in headers if pair[0] not in (b"content-length", b"content-type")]
            await send({"type": "http.response.start", "status": 304, "headers": kept})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    def _forget(self, state: object) -> None:
        self._kept.clear()
        self._bytes, self._of = 0, state

    def _keep(self, key: tuple[object, ...], headers: Headers, body: bytes) -> None:
        if key in self._kept:
            return
        self._kept[key] = headers, body
        self._bytes += len(body)
        while self._bytes > MOST_BYTES:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._bytes -= len(oldest)


class _Recorder:
    """Passes an answer on; a small one with status 200 gets an ETag first, and is remembered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._passing = False
        self.headers: Headers = ()
        self.body = b""
        self.is_whole = False

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
            return
        if self._start is None or self._passing:
            await self._send(message)
            return
        self.body += message.get("body", b"")
        ends = not message.get("more_body", False)
        if not ends and len(self.body) <= LARGEST:
            return
        self.is_whole = ends and len(self.body) <= LARGEST
        self._passing = not ends
        given = tuple((bytes(name), bytes(value)) for name, value in self._start["headers"])
        if self.is_whole:
            name = blake2b(self.body, digest_size=16).hexdigest()
            given = (*given, (b"etag", f'"{name}"'.encode()), (b"cache-control", b"public, no-cache"))
        self.headers = given
        await self._send({**self._start, "headers": list(given)})
        await self._send({**message, "body": self.body})


def _key(scope: Scope) -> tuple[tuple[object, ...] | None, bytes]:
    """What the answer depends on, and the client's ETag; no key for requests that are not public."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None, b""
    path: str = scope["path"]
    if not path.startswith(KEPT) or path.endswith(_NEVER):
        return None, b""
    host = none_match = b""
    origin = False
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        elif name == b"if-none-match":
            none_match = value
        elif name == b"origin":
            origin = True
        elif name in (b"authorization", b"cookie"):
            return None, b""
    return (path, scope["raw_path"], scope["query_string"], scope["scheme"], host, origin), none_match


def _etag(headers: Headers) -> bytes:
    return next((value for name, value in headers if name == b"etag"), b"")
