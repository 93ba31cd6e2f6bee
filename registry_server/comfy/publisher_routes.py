"""Publishers and their tokens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from registry_server.accounts import repository, service
from registry_server.accounts.identity import Scope
from registry_server.accounts.tables import Publisher
from registry_server.audit.repository import record
from registry_server.comfy.bodies import PublisherBody, TokenBody
from registry_server.comfy.queries import node_views
from registry_server.comfy.views import publisher_view, token_view
from registry_server.errors import BadRequest, Conflict, NotFound
from registry_server.packs import repository as packs
from registry_server.requests import Reading, Registry, Root, Text, Who, Writing

router = APIRouter(tags=["Comfy API: publishers"])

TOKEN_SCOPES = (Scope.PUBLISH, Scope.MANAGE)


@router.post("/publishers", status_code=201)
def create_publisher(body: PublisherBody, session: Writing, parts: Registry, who: Who) -> dict[str, Any]:
    """A new publisher, owned by the user who makes it."""
    if not body.id:
        raise BadRequest("A publisher needs an `id`.")
    profile = body.model_dump(exclude_none=True, exclude={"id"})
    found = service.create_publisher(session, who, parts.clock(), body.id, profile)
    return _view(session, found)


@router.get("/publishers")
def list_publishers(session: Reading) -> list[dict[str, Any]]:
    """All publishers."""
    return [publisher_view(one) for one in repository.publishers(session)]


@router.get("/publishers/validate")
def validate_publisher(username: Annotated[Text, Query(max_length=200)], session: Reading) -> dict[str, bool]:
    """Whether a publisher could have this id."""
    return {"isAvailable": service.is_available(session, username)}


@router.get("/users/publishers/")
@router.get("/users/publishers", include_in_schema=False)
def own_publishers(session: Reading, who: Who) -> list[dict[str, Any]]:
    """Those that the token is for."""
    if who.user:
        return [_view(session, one) for one in repository.publishers_of(session, who.user)]
    own = repository.publisher(session, who.publisher) if who.publisher else None
    return [_view(session, own)] if own else []


@router.get("/publishers/{publisher_id}")
def get_publisher(publisher_id: str, session: Reading) -> dict[str, Any]:
    """One publisher and its people."""
    return _view(session, _find(session, publisher_id))


@router.put("/publishers/{publisher_id}")
def edit_publisher(
    publisher_id: str, body: PublisherBody, session: Writing, parts: Registry, who: Who
) -> dict[str, Any]:
    """Change a publisher's profile."""
    found = service.may_manage(session, who, publisher_id)
    changed = body.model_dump(exclude_none=True, exclude={"id"})
    for key, value in changed.items():
        setattr(found, key, value)
    record(session, parts.clock(), who.actor, "publisher.edit", f"publisher/{found.id}", fields=sorted(changed))
    return _view(session, found)


@router.delete("/publishers/{publisher_id}", status_code=204)
def delete_publisher(publisher_id: str, session: Writing, parts: Registry, who: Who) -> Response:
    """Remove a publisher that has no packs."""
    found = service.may_manage(session, who, publisher_id)
    if packs.packs_of(session, found.id):
        raise Conflict(f"The publisher {found.id!r} has packs; delete them or have them transferred first.")
    record(session, parts.clock(), who.actor, "publisher.delete", f"publisher/{found.id}")
    packs.release_from_publisher(session, found.id)
    session.delete(found)
    return Response(status_code=204)


@router.get("/publishers/{publisher_id}/nodes")
def nodes_of_publisher(publisher_id: str, session: Reading, root: Root) -> list[dict[str, Any]]:
    """A publisher's packs: a bare array."""
    rows = packs.packs_of(session, _find(session, publisher_id).id)
    return node_views(session, rows, root)


@router.post("/publishers/{publisher_id}/tokens", status_code=201)
def create_token(publisher_id: str, body: TokenBody, session: Writing, parts: Registry, who: Who) -> dict[str, Any]:
    """A token that publishes for this publisher; it is shown here and never again."""
    found = service.may_manage(session, who, publisher_id)
    secret, row = service.create_token(
        session,
        who,
        parts.clock(),
        publisher_id=found.id,
        scopes=TOKEN_SCOPES,
        name=body.name or "",
        description=body.description or "",
    )
    return token_view(row) | {"token": secret}


@router.get("/publishers/{publisher_id}/tokens")
def list_tokens(publisher_id: str, session: Reading, who: Who) -> list[dict[str, Any]]:
    """A publisher's tokens, masked."""
    found = service.may_manage(session, who, publisher_id)
    return [token_view(row) for row in repository.tokens(session, found.id)]


@router.delete("/publishers/{publisher_id}/tokens/{token_id}", status_code=204)
def delete_token(publisher_id: str, token_id: str, session: Writing, parts: Registry, who: Who) -> Response:
    """End a token at once."""
    found = service.may_manage(session, who, publisher_id)
    service.revoke_token(session, who, parts.clock(), token_id, found.id)
    return Response(status_code=204)


def _find(session: Reading, publisher_id: str) -> Publisher:
    found = repository.publisher(session, publisher_id)
    if found is None:
        raise NotFound("publisher", publisher_id)
    return found


def _view(session: Reading, publisher: Publisher) -> dict[str, Any]:
    return publisher_view(publisher, repository.members(session, publisher.id))
