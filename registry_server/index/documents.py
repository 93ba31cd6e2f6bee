"""A document with all that HTTP wants to know of it, made once and sent many times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

import zstandard

JSON = "application/json"
BUNDLE = "application/x-ndjson"
FOREVER = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "public, no-cache"

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Prepared:
    """Bytes and headers, ready to be sent.

    Attributes:
        etag: with its quotes.
        modified: as HTTP writes it.
        headers: of a full answer; ``short`` are those of an answer that says that nothing has changed.
    """

    body: bytes
    etag: str
    modified: str
    headers: Headers
    short: Headers


def prepare(body: bytes, name: str, at: str, *, cache: str = ASK_EACH_TIME, kind: str = JSON) -> Prepared:
    """A document; ``name`` tells its content from any other's, ``at`` is when it was made (see ``clock``)."""
    etag, modified = f'"{name}"', http_date(at)
    short = tuple(
        (key.encode(), value.encode())
        for key, value in (
            ("etag", etag),
            ("last-modified", modified),
            ("cache-control", cache),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "ETag"),
            ("x-content-type-options", "nosniff"),
        )
        if value
    )
    full = ((b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()))
    return Prepared(body, etag, modified, (*full, *short), short)


def compressed(document: Prepared) -> Prepared:
    """The same for clients that read zstd; its ETag is another one, as its bytes are (RFC 9110, 8.8.3)."""
    body = zstandard.ZstdCompressor(level=1).compress(document.body)
    etag = f'{document.etag[:-1]}-zstd"'
    own = {b"content-length": str(len(body)).encode(), b"etag": etag.encode()}
    encoding = ((b"content-encoding", b"zstd"), (b"vary", b"accept-encoding"))
    full, short = (
        tuple((name, own.get(name, value)) for name, value in headers) + encoding
        for headers in (document.headers, document.short)
    )
    return Prepared(body, etag, document.modified, full, short)


def http_date(at: str) -> str:
    """``Fri, 02 Jan 2026 03:04:05 GMT``."""
    if not at:
        return ""
    return format_datetime(datetime.fromisoformat(at).astimezone(UTC).replace(microsecond=0), usegmt=True)


def is_unchanged(document: Prepared, none_match: str, modified_since: str) -> bool:
    """Whether what the client has is this very document (RFC 9110, 13.2.2)."""
    if none_match:
        known = {part.strip().removeprefix("W/") for part in none_match.split(",")}
        return document.etag in known or "*" in known
    return bool(modified_since) and modified_since == document.modified
