"""Rows of the database as records of the index."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from registry_server.clock import to_seconds
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import oldest_first
from sdk.inspection.licences import licence_name
from sdk.registry import Deprecation, NodeClaim, Pack, Release, State


def pack_record(pack: PackRow, releases: Iterable[ReleaseRow], owns: Iterable[str]) -> Pack:
    """A pack with all its releases."""
    return Pack(
        id=pack.slug,
        name=pack.name,
        publisher=pack.publisher_id or (pack.author if pack.origin.startswith("mirror:") else ""),
        description=pack.description,
        repository=pack.repository,
        license=license_text(pack.license),
        tags=tuple(pack.tags),
        deprecated=_deprecation(pack),
        owns=tuple(owns),
        releases=tuple(release_record(release, pack) for release in oldest_first(releases)),
    )


def release_record(release: ReleaseRow, pack: PackRow) -> Release:
    """A release; all of a banned pack's releases are banned."""
    banned = pack.status == "banned"
    return Release(
        version=release.version,
        sha256=release.sha256,
        size=release.size,
        url=release.url,
        state=State.BANNED if banned else State(release.state),
        reason=pack.status_detail if banned else release.reason,
        published=to_seconds(release.published_at),
        requires_python=release.requires_python,
        host_api=release.host_api,
        requires_comfyui=release.requires_comfyui,
        requires_frontend=release.requires_frontend,
        dependencies=tuple(release.dependencies),
        packs=tuple(release.packs),
        systems=tuple(release.systems),
        accelerators=tuple(release.accelerators),
        permissions=tuple(release.permissions),
        nodes=tuple(_claim(node) for node in release.nodes),
        nodes_complete=release.nodes_complete,
        schemas=release.schemas,
        install_script=release.install_script,
        deprecated=_deprecation(release),
        findings={key: int(count) for key, count in release.finding_counts.items()},
    )


def node_row(claim: NodeClaim) -> dict[str, Any]:
    """A claim as a release's row keeps it."""
    row: dict[str, Any] = {"id": claim.id}
    if claim.title:
        row["title"] = claim.title
    if claim.code:
        row["code"] = claim.code
    if claim.aliases:
        row["aliases"] = list(claim.aliases)
    return row


def _claim(row: dict[str, Any]) -> NodeClaim:
    return NodeClaim(
        id=row["id"],
        title=row.get("title", ""),
        code=row.get("code", ""),
        aliases=tuple(row.get("aliases", ())),
    )


def _deprecation(row: PackRow | ReleaseRow) -> Deprecation | None:
    if not row.deprecated:
        return None
    return Deprecation(reason=row.deprecation_reason, replacement=row.replacement)


def license_text(stored: str) -> str:
    """A licence in a line; rows keep ``{"text": …}`` or ``{"file": …}`` as the Comfy Registry does."""
    try:
        parsed = json.loads(stored) if stored.startswith("{") else {"text": stored}
    except ValueError:
        return stored
    return licence_name({key: str(value) for key, value in parsed.items()})
