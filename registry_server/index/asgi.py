"""Answers for the index's paths before any framework sees the request."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from registry_server.errors import BadRequest, Unavailable
from registry_server.index.documents import JSON, Prepared, compressed, is_unchanged, prepare
from registry_server.index.reader import DocumentReader
from sdk.registry import SNAPSHOT_PATH

_ABSENT = prepare(b'{"error":"NOT_FOUND","message":"There is no such document.","details":[]}', "absent", "")
_BROKEN = b'{"error":"UNAVAILABLE","message":"The index can\'t be read at the moment; try again.","details":[]}'
_BAD = b'{"error":"BAD_REQUEST","message":"`since` must be a serial, a whole number.","details":[]}'
_REFUSED = re.compile(r"q=0(\.0*)?")


class IndexApp:
    """Serves prepared documents; every other path goes on to the application.

    Args:
        extras: paths of documents outside ``index/``.
    """

    def __init__(self, app: ASGIApp, reader: DocumentReader, extras: Collection[str] = ()) -> None:
        self._app, self._reader = app, reader
        self._extras = frozenset(extras)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not self._is_ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        path = scope["path"][1:]
        document = self._reader.peek(path)
        if document is None:
            try:
                document = await run_in_threadpool(self._read, path, scope)
            except Unavailable:
                await _send_plain(send, 503, _BROKEN)
                return
            except BadRequest:
                await _send_plain(send, 400, _BAD)
                return
        await _send(scope, send, document)

    def _read(self, path: str, scope: Scope) -> Prepared | None:
        if path != "index/changes":
            return self._reader.read(path)
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        since = _since(asked.get("since", ["0"])[-1])
        if asked.get("documents") != ["1"]:
            return self._reader.changes(since)
        document = self._reader.changes_and_documents(since)
        return compressed(document) if _reads_zstd(scope) else document

    def _is_ours(self, path: str) -> bool:
        return (path.startswith("/index/") and path[1:] != SNAPSHOT_PATH) or path[1:] in self._extras


def _since(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest("`since` must be a serial, a whole number.")
    return int(text)


def _reads_zstd(scope: Scope) -> bool:
    """Whether the client names zstd without refusing it (RFC 9110, 12.5.3)."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").decode("latin-1")
    codings = [coding.replace(" ", "").lower().split(";") for coding in accepted.split(",")]
    return any(name == "zstd" and not _REFUSED.fullmatch("".join(rest)) for name, *rest in codings)


async def _send(scope: Scope, send: Send, document: Prepared | None) -> None:
    if document is None:
        await _answer(send, 404, _ABSENT.headers, b"" if scope["method"] == "HEAD" else _ABSENT.body)
        return
    none_match = modified_since = ""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            none_match = value.decode("latin-1")
        elif name == b"if-modified-since":
            modified_since = value.decode("latin-1")
    if is_unchanged(document, none_match, modified_since):
        await _answer(send, 304, document.short, b"")
        return
    await _answer(send, 200, document.headers, b"" if scope["method"] == "HEAD" else document.body)


async def _send_plain(send: Send, status: int, body: bytes) -> None:
    headers = ((b"content-type", JSON.encode()), (b"content-length", str(len(body)).encode()))
    await _answer(send, status, (*headers, (b"access-control-allow-origin", b"*")), body)


async def _answer(send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
