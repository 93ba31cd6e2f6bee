"""What every route needs: transactions, who asks, the registry's address, texts that are safe to store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from pydantic import AfterValidator
from sqlalchemy.orm import Session

from registry_server.accounts.identity import Identity
from registry_server.accounts.repository import mark_used
from registry_server.accounts.service import authenticate
from registry_server.accounts.tokens import age
from registry_server.accounts.trusted import TrustedPublishing
from registry_server.clock import Clock, stamp
from registry_server.db.database import Database
from registry_server.errors import Forbidden, NotAuthenticated
from registry_server.index.mirror import Mirror
from registry_server.index.service import Indexer
from registry_server.nodes.service import NodeService
from registry_server.packs.service import PackService
from registry_server.publishing.extraction import Extraction
from registry_server.publishing.service import Publishing
from registry_server.rate_limits import RateLimit
from registry_server.search.query import Search
from registry_server.settings import Settings
from registry_server.storage.protocol import Storage

SECONDS_BETWEEN_USES = 60
MOST_PAGES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The registry's parts, as ``registry_server.app`` has put them together."""

    settings: Settings
    database: Database
    storage: Storage
    search: Search
    indexer: Indexer
    packs: PackService
    nodes: NodeService
    publishing: Publishing
    extraction: Extraction
    trusted: TrustedPublishing
    mirror: Mirror
    clock: Clock
    writes: RateLimit
    failed_logins: RateLimit


def parts_of(request: Request) -> Parts:
    """The parts behind this request."""
    found: Parts = request.app.state.parts
    return found


async def _parts(request: Request) -> Parts:
    """On the event loop, as a thread would take longer than this does."""
    return parts_of(request)


async def _root(request: Request) -> str:
    return root_of(request)


def _read(parts: Annotated[Parts, Depends(_parts)]) -> Iterator[Session]:
    with parts.database.read() as session:
        yield session


def _write(request: Request, parts: Annotated[Parts, Depends(_parts)]) -> Iterator[Session]:
    parts.writes.spend(client_of(request))
    with parts.database.write() as session:
        yield session


def client_of(request: Request) -> str:
    """The client's address, for limits."""
    return request.client.host if request.client else "?"


def bearer(request: Request) -> str:
    """The token in the request's header, "" where there is none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def identify(parts: Parts, request: Request, token: str) -> Identity:
    """Whom a token speaks for; guesses are limited.

    Raises:
        NotAuthenticated: it is unknown, expired or revoked.
        TooOften: this client has guessed too often.
    """
    client = client_of(request)
    parts.failed_logins.check(client)
    moment = parts.clock()
    with parts.database.read() as session:
        try:
            found = authenticate(session, token, moment)
        except NotAuthenticated:
            parts.failed_logins.spend(client)
            raise
    if age(found.last_used, moment) > SECONDS_BETWEEN_USES:
        with parts.database.write() as session:
            mark_used(session, found.token_id, stamp(moment))
    return found


def _identity(request: Request, parts: Annotated[Parts, Depends(_parts)]) -> Identity:
    token = bearer(request)
    if not token:
        raise NotAuthenticated("This needs a token: send `Authorization: Bearer …`.")
    return identify(parts, request, token)


def identify_body_token(parts: Parts, request: Request, token: str) -> Identity:
    """Whom the token in a body speaks for; clients of the Comfy Registry expect 403 for a bad one.

    Raises:
        Forbidden: it is unknown, expired or revoked.
    """
    try:
        return identify(parts, request, token)
    except NotAuthenticated as error:
        raise Forbidden(str(error)) from error


def root_of(request: Request) -> str:
    """The registry's address as this client sees it, without a slash at the end."""
    public: str = parts_of(request).settings.public_url
    return (public or str(request.base_url)).rstrip("/")


def page_of(page: int | None, limit: int | None, default: int = 10, most: int = 100) -> tuple[int, int]:
    """Page and limit within their bounds; what makes no sense becomes the default."""
    number = page if page and page > 0 else 1
    size = limit if limit and limit > 0 else default
    return min(number, MOST_PAGES), min(size, most)


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it holds characters that are no text")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""A text without NUL and half characters, which databases refuse."""
Reading = Annotated[Session, Depends(_read, scope="function")]
Writing = Annotated[Session, Depends(_write, scope="function")]
"""Committed before the answer is sent."""
Who = Annotated[Identity, Depends(_identity)]
Registry = Annotated[Parts, Depends(_parts)]
Root = Annotated[str, Depends(_root)]
