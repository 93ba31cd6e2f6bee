"""Our rows as the Comfy Registry's objects: mixed casing on purpose, what is empty is left out, never null."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from registry_server.accounts.tables import Member, Publisher, Token, User
from registry_server.accounts.tokens import masked
from registry_server.packs.tables import PackRow, ReleaseRow
from sdk.registry import State

STATUSES = {
    State.ACTIVE: "NodeVersionStatusActive",
    State.PENDING: "NodeVersionStatusPending",
    State.QUARANTINED: "NodeVersionStatusFlagged",
    State.YANKED: "NodeVersionStatusDeleted",
    State.BANNED: "NodeVersionStatusBanned",
}
STATES = {status: state for state, status in STATUSES.items()}
PACK_STATUSES = {"active": "NodeStatusActive", "banned": "NodeStatusBanned", "deleted": "NodeStatusDeleted"}
SERVED = (State.ACTIVE, State.PENDING, State.YANKED)
"""Releases whose archives are given out."""


def node_view(pack: PackRow, latest: ReleaseRow | None, root: str) -> dict[str, Any]:
    """A pack, which the Comfy Registry calls a node."""
    rating = round(pack.rating_sum / pack.rating_count, 2) if pack.rating_count else 0
    return {
        "id": pack.slug,
        "name": pack.name or pack.slug,
        "description": pack.description,
        "rating": rating,
        "downloads": pack.downloads,
        "github_stars": pack.stars,
        "search_ranking": pack.search_ranking,
        "status": PACK_STATUSES[pack.status],
        "created_at": pack.created_at,
        "tags": pack.tags,
    } | _filled(
        author=pack.author,
        category=pack.category,
        license=pack.license,
        icon=pack.icon,
        banner_url=pack.banner_url,
        repository=pack.repository,
        status_detail=pack.status_detail,
        publisher=publisher_view(pack.publisher) if pack.publisher else None,
        latest_version=version_view(pack, latest, root) if latest else None,
        supported_os=pack.systems,
        supported_accelerators=pack.accelerators,
        supported_comfyui_version=pack.requires_comfyui,
        supported_comfyui_frontend_version=pack.requires_frontend,
        preempted_comfy_node_names=pack.preempted,
    )


def version_view(pack: PackRow, release: ReleaseRow, root: str) -> dict[str, Any]:
    """A release; without the archive's address where it is not given out."""
    state = State.BANNED if pack.status == "banned" else State(release.state)
    address = download_address(root, pack.slug, release.version) if state in SERVED else ""
    return {
        "id": release.id,
        "version": release.version,
        "createdAt": release.published_at,
        "changelog": release.changelog,
        "dependencies": release.dependencies,
        "deprecated": release.deprecated or pack.deprecated,
        "status": STATUSES[state],
        "node_id": pack.slug,
        "comfy_node_extract_status": "success" if release.nodes_complete else "failed",
    } | _filled(
        downloadUrl=address,
        status_reason=release.reason,
        supported_os=release.systems,
        supported_accelerators=release.accelerators,
        supported_comfyui_version=release.requires_comfyui,
        supported_comfyui_frontend_version=release.requires_frontend,
    )


def download_address(root: str, slug: str, version: str) -> str:
    """Where clients of the Comfy Registry get an archive."""
    return f"{root}/downloads/{slug}/{version}/node.zip"


def publisher_view(publisher: Publisher, members: Sequence[tuple[Member, User]] = ()) -> dict[str, Any]:
    """A publisher; its name is never left out, as ComfyUI-Manager relies on it."""
    people = [
        {"id": f"{publisher.id}:{user.id}", "role": member.role, "user": {"id": user.id, "name": user.name}}
        for member, user in members
    ]
    return {
        "id": publisher.id,
        "name": publisher.name or publisher.id,
        "createdAt": publisher.created_at,
        "status": "PublisherStatusBanned" if publisher.banned else "PublisherStatusActive",
    } | _filled(
        description=publisher.description,
        website=publisher.website,
        support=publisher.support,
        source_code_repo=publisher.source_code_repo,
        logo=publisher.logo,
        members=people,
    )


def token_view(token: Token) -> dict[str, Any]:
    """A token as lists show it."""
    return {"id": token.id, "name": token.name, "createdAt": token.created_at, "token": masked(token.hint)} | _filled(
        description=token.description
    )


def comfy_node_view(row: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """One node of a release; what is nested goes as JSON inside the JSON."""
    view: dict[str, Any] = {
        "comfy_node_name": row["id"],
        "category": schema.get("category") or row.get("category", ""),
        "description": schema.get("description") or row.get("description", ""),
        "deprecated": bool(schema.get("deprecated") or row.get("deprecated")),
        "experimental": bool(schema.get("experimental")),
        "function": row.get("function", ""),
        "policy": "NodePolicyActive",
    }
    if schema:
        outputs = schema.get("output", [])
        view |= {
            "input_types": _json(schema.get("input", {})),
            "return_types": _json(outputs),
            "return_names": _json(schema.get("output_name", outputs)),
            "output_is_list": [bool(one) for one in schema.get("output_is_list", [])],
        }
    return view


def page_view(key: str, rows: Iterable[Mapping[str, Any]], total: int, page: int, limit: int) -> dict[str, Any]:
    """One page of a list."""
    return {
        "total": total,
        key: list(rows),
        "page": page,
        "limit": limit,
        "totalPages": -(-total // limit),
    }


def _filled(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
