"""Publishing as comfy-cli does it, and what publishers may change afterwards."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from registry_server.accounts.service import may_publish
from registry_server.comfy.bodies import Announcement, NodeEdit, VersionEdit, VersionReview
from registry_server.comfy.queries import states_of
from registry_server.comfy.views import node_view, version_view
from registry_server.errors import BadRequest, Forbidden, NotFound
from registry_server.packs import repository as packs
from registry_server.packs.service import find_pack, find_release
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import check_semantic
from registry_server.publishing.receiving import received
from registry_server.requests import (
    Reading,
    Registry,
    Root,
    Who,
    Writing,
    bearer,
    client_of,
    identify_body_token,
)
from sdk.pack_ids import is_pack_id
from sdk.registry import fold

router = APIRouter(tags=["Comfy API: publishing"])


@router.post("/publishers/{publisher_id}/nodes/{node_id}/versions", status_code=201)
def announce(
    publisher_id: str, node_id: str, body: Announcement, request: Request, parts: Registry, root: Root
) -> dict[str, Any]:
    """Announce a version; the answer says where its archive is to be put."""
    token = body.personal_access_token or bearer(request)
    if not token:
        raise Forbidden("The personal access token is missing.")
    who = identify_body_token(parts, request, token)
    parts.writes.spend(client_of(request))
    if fold(body.node.id) != fold(node_id):
        raise BadRequest(f"The address names the pack {node_id!r}, the body {body.node.id!r}.")
    if not is_pack_id(node_id):
        raise BadRequest(
            f"{node_id!r} can't be a pack's id: 1 to 100 letters, digits, '.', '_' or '-', beginning and ending with a "
            "letter or digit."
        )
    check_semantic(body.node_version.version)
    said = body.node_version.model_dump(exclude_none=True)
    try:
        upload, expires = parts.publishing.announce(who, publisher_id, node_id, body.node_version.version, said)
    except NotFound as error:
        raise Forbidden(str(error)) from error
    view = {
        "id": upload.id,
        "version": upload.version,
        "changelog": body.node_version.changelog or "",
        "dependencies": body.node_version.dependencies or [],
        "deprecated": False,
        "createdAt": upload.created_at,
        "status": "NodeVersionStatusPending",
        "node_id": node_id,
        "downloadUrl": f"{root}/downloads/{node_id}/{upload.version}/node.zip",
    }
    return {"node_version": view, "signedUrl": parts.publishing.signer.address(root, upload.id, expires)}


@router.put("/uploads/{upload_id}")
async def upload(
    upload_id: str,
    request: Request,
    parts: Registry,
    expires: Annotated[int, Query(ge=0, le=2**53)],
    signature: Annotated[str, Query(max_length=200)],
) -> dict[str, Any]:
    """The archive of an announced version; once it is here, the version is published."""
    await run_in_threadpool(parts.publishing.check_upload, upload_id, expires, signature)
    async with received(request, parts.settings.incoming, parts.settings.max_archive_bytes) as archive:
        done = await run_in_threadpool(parts.publishing.finish_upload, upload_id, archive)
    return {
        "id": done.pack.slug,
        "version": done.release.version,
        "sha256": done.release.sha256,
        "state": done.release.state,
        "reason": done.release.reason,
    }


@router.put("/publishers/{publisher_id}/nodes/{node_id}")
def edit_node(
    publisher_id: str, node_id: str, body: NodeEdit, session: Writing, parts: Registry, who: Who, root: Root
) -> dict[str, Any]:
    """Change what a pack says of itself."""
    _of_publisher(session, publisher_id, node_id)
    pack = parts.packs.edit(session, who, parts.clock(), node_id, body.model_dump(exclude_none=True))
    latest = packs.release_by_id(session, pack.latest_id) if pack.latest_id else None
    return node_view(pack, latest, root)


@router.delete("/publishers/{publisher_id}/nodes/{node_id}", status_code=204)
def delete_node(publisher_id: str, node_id: str, session: Writing, parts: Registry, who: Who) -> Response:
    """Take a pack off the lists; its name and its nodes stay taken."""
    _of_publisher(session, publisher_id, node_id)
    parts.packs.set_status(session, who, parts.clock(), node_id, "deleted", "deleted by its publisher")
    return Response(status_code=204)


@router.post("/publishers/{publisher_id}/nodes/{node_id}/ban", status_code=204)
def ban_node(publisher_id: str, node_id: str, session: Writing, parts: Registry, who: Who) -> Response:
    """Ban a pack."""
    _of_publisher(session, publisher_id, node_id)
    parts.packs.set_status(session, who, parts.clock(), node_id, "banned", "banned by the operator")
    return Response(status_code=204)


@router.put("/publishers/{publisher_id}/nodes/{node_id}/versions/{version_id}")
def edit_version(
    publisher_id: str,
    node_id: str,
    version_id: str,
    body: VersionEdit,
    session: Writing,
    parts: Registry,
    who: Who,
    root: Root,
) -> dict[str, Any]:
    """Change a version's changelog, or deprecate it; its archive never changes."""
    pack, release = _version(session, publisher_id, node_id, version_id)
    if body.changelog is not None:
        if pack.publisher is None:
            raise Forbidden(f"{pack.slug} has no publisher here.")
        may_publish(session, who, pack.publisher, pack.slug)
        release.changelog = body.changelog
    if body.deprecated is not None:
        moment = parts.clock()
        parts.packs.deprecate(session, who, moment, pack.slug, deprecated=body.deprecated, version=release.version)
    return version_view(pack, release, root)


@router.delete("/publishers/{publisher_id}/nodes/{node_id}/versions/{version_id}", status_code=204)
def delete_version(
    publisher_id: str, node_id: str, version_id: str, session: Writing, parts: Registry, who: Who
) -> Response:
    """Yank a version: nobody gets it any more who does not name it."""
    pack, release = _version(session, publisher_id, node_id, version_id)
    parts.packs.yank(session, who, parts.clock(), pack.slug, release.version, "deleted by its publisher")
    return Response(status_code=204)


@router.put("/admin/nodes/{node_id}/versions/{version}")
def review_version(
    node_id: str, version: str, body: VersionReview, session: Writing, parts: Registry, who: Who, root: Root
) -> dict[str, Any]:
    """Decide on a version's state."""
    state = states_of([body.status])[0]
    release = parts.packs.set_state(session, who, parts.clock(), node_id, version, state, body.status_reason or "")
    return version_view(find_pack(session, node_id), release, root)


def _of_publisher(session: Reading, publisher_id: str, node_id: str) -> PackRow:
    pack = find_pack(session, node_id)
    if pack.publisher_id is None or fold(pack.publisher_id) != fold(publisher_id):
        raise NotFound(f"pack of {publisher_id!r} called", node_id)
    return pack


def _version(session: Reading, publisher_id: str, node_id: str, version_id: str) -> tuple[PackRow, ReleaseRow]:
    """By the version's own id, or by its number."""
    pack = _of_publisher(session, publisher_id, node_id)
    release = packs.release_by_id(session, version_id)
    if release is None or release.pack_id != pack.id:
        release = find_release(session, pack, version_id)
    return pack, release
