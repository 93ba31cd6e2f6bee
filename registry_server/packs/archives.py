"""Gives archives out: whole or in part, never those that are quarantined or banned."""

from __future__ import annotations

import re
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from registry_server.errors import Banned, Forbidden, NotFound
from registry_server.index.documents import FOREVER, http_date
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.storage.protocol import Storage
from sdk.registry import State

REFUSED = (State.QUARANTINED, State.BANNED)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def check_served(pack: PackRow, release: ReleaseRow) -> None:
    """Return if this archive may be given out.

    Raises:
        Banned: the pack or the version is banned.
        Forbidden: the version is quarantined.
    """
    if pack.status != "active" or release.state == State.BANNED:
        raise Banned(f"{pack.slug} {release.version} is not given out: {release.reason or pack.status_detail}")
    if release.state == State.QUARANTINED:
        raise Forbidden(f"{pack.slug} {release.version} is in quarantine: {release.reason}")


def archive_answer(request: Request, storage: Storage, release: ReleaseRow) -> Response:
    """The archive, or the part of it that was asked for (RFC 9110, 14.2: one range).

    Raises:
        NotFound: the storage has lost it.
    """
    etag = f'"{release.sha256}"'
    headers = {
        "ETag": etag,
        "Last-Modified": http_date(release.published_at),
        "Cache-Control": FOREVER,
        "Accept-Ranges": "bytes",
        "Access-Control-Allow-Origin": "*",
    }
    if request.headers.get("if-none-match", "") in (etag, "*"):
        return Response(status_code=304, headers=headers)
    size = storage.size(release.url)
    if size is None:
        raise NotFound("archive", release.url)
    wanted = _range(request, size, etag)
    if wanted is None:
        headers["Content-Range"] = f"bytes */{size}"
        return Response(status_code=416, headers=headers)
    first, last = wanted
    partial = last - first + 1 < size
    headers["Content-Length"] = str(last - first + 1)
    if partial:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    body = iter(()) if request.method == "HEAD" else _cut(storage.open(release.url, first), last - first + 1)
    return StreamingResponse(body, 206 if partial else 200, headers, media_type="application/zip")


def _range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """First and last byte; the whole where none are asked for; ``None`` where there are no such bytes."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if not found or not any(found.groups()) or request.headers.get("if-range", etag) != etag:
        return 0, size - 1
    if not found[1]:
        return (max(size - int(found[2]), 0), size - 1) if int(found[2]) else None
    first, last = int(found[1]), min(int(found[2]) if found[2] else size - 1, size - 1)
    return (first, last) if first <= last else None


def _cut(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        if size <= 0:
            return
        yield chunk[:size]
        size -= len(chunk)
