"""Packs and releases as our own API gives them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy.orm import Session

from registry_server.index.records import license_text, pack_record, release_record
from registry_server.nodes import repository as nodes
from registry_server.packs import repository as packs
from registry_server.packs.tables import PackRow, ReleaseRow
from sdk.registry import encode_pack


def pack_summary(pack: PackRow, latest: ReleaseRow | None) -> dict[str, Any]:
    """A pack in a list."""
    return {
        "id": pack.slug,
        "name": pack.name or pack.slug,
        "description": pack.description,
        "publisher": pack.publisher_id or "",
        "version": latest.version if latest else "",
        "downloads": pack.downloads,
        "tags": pack.tags,
        "license": license_text(pack.license),
        "repository": pack.repository,
        "updated": pack.updated_at,
        "deprecated": pack.deprecated,
        "findings": latest.finding_counts if latest else {},
    }


def pack_details(session: Session, pack: PackRow) -> dict[str, Any]:
    """A pack with every release; the index's document and what else is known."""
    releases = packs.releases(session, pack.id)
    record = pack_record(pack, releases, nodes.owned_by(session, pack.id))
    document: dict[str, Any] = json.loads(encode_pack(record))
    latest = next((release for release in releases if release.id == pack.latest_id), None)
    return document | pack_summary(pack, latest) | {"status": pack.status, "status_detail": pack.status_detail}


def release_details(session: Session, pack: PackRow, release: ReleaseRow) -> dict[str, Any]:
    """A release with its findings, nodes and duplicates."""
    record = pack_record(pack, [release], ())
    document: dict[str, Any] = json.loads(encode_pack(record))["releases"][0]
    return document | {
        "id": pack.slug,
        "state": release_record(release, pack).state,
        "reason": release.reason,
        "changelog": release.changelog,
        "downloads": release.downloads,
        "findings": release.findings,
        "finding_counts": release.finding_counts,
        "unread": release.unread,
        "nodes": release.nodes,
        "duplicates": release.duplicates,
        "readme": release.readme,
        "provenance": release.provenance,
    }
