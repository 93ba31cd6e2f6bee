"""Publishing in one request, and what a token may do."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from registry_server.errors import BadRequest
from registry_server.publishing.receiving import received
from registry_server.publishing.service import Published
from registry_server.requests import Registry, Root, Text, Who, client_of

router = APIRouter(prefix="/api/v1", tags=["publishing"])

LONGEST_CHANGELOG = 100_000


class Assertion(BaseModel):
    """A build's identity token."""

    oidc_token: Text


@router.post("/packs/upload", status_code=201)
async def upload(
    request: Request,
    parts: Registry,
    who: Who,
    root: Root,
    x_changelog: Annotated[str, Header(max_length=4 * LONGEST_CHANGELOG)] = "",
) -> dict[str, Any]:
    """Publish an archive; the body is the zip."""
    parts.writes.spend(client_of(request))
    changelog = _changelog(x_changelog)
    async with received(request, parts.settings.incoming, parts.settings.max_archive_bytes) as archive:
        done = await run_in_threadpool(parts.publishing.publish, who, archive, changelog)
    return published_view(done, root)


@router.get("/whoami")
def whoami(who: Who) -> dict[str, Any]:
    """Whom the token speaks for, what it allows, and until when."""
    return {
        "publisher": who.publisher,
        "user": who.user,
        "scopes": sorted(who.scopes),
        "packs": sorted(who.packs),
        "expires": who.expires,
    }


@router.post("/trusted-publishing/token")
def exchange(body: Assertion, request: Request, parts: Registry, root: Root) -> dict[str, str]:
    """A token for fifteen minutes, in exchange for a build's identity token."""
    parts.writes.spend(client_of(request))
    audience = parts.settings.oidc_audience or root
    token, expires = parts.trusted.exchange(body.oidc_token, audience)
    return {"token": token, "expires": expires}


@router.get("/trusted-publishing/audience")
def audience(parts: Registry, root: Root) -> dict[str, str]:
    """The audience that a build's identity token must name."""
    return {"audience": parts.settings.oidc_audience or root}


def published_view(done: Published, root: str) -> dict[str, Any]:
    """What became of an upload."""
    return {
        "id": done.pack.slug,
        "version": done.release.version,
        "sha256": done.release.sha256,
        "size": done.release.size,
        "state": done.release.state,
        "reason": done.release.reason,
        "findings": list(done.findings),
        "nodes": list(done.nodes),
        "unread": list(done.unread),
        "duplicates": list(done.duplicates),
        "url": f"{root}/{done.release.url}",
    }


def _changelog(header: str) -> str:
    text = unquote(header, errors="replace")
    if len(text) > LONGEST_CHANGELOG or "\0" in text:
        raise BadRequest(f"X-Changelog must be text of at most {LONGEST_CHANGELOG} characters, percent-encoded.")
    return text
