"""Lists and look-ups of the Comfy API, made of the subjects' own queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from registry_server.comfy.views import STATES, comfy_node_view, node_view, version_view
from registry_server.errors import BadRequest, Banned, NotFound
from registry_server.nodes import repository as nodes
from registry_server.nodes.core import core_nodes
from registry_server.packs import repository as packs
from registry_server.packs.service import find_pack, find_release
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import check_semantic, oldest_first
from registry_server.search.query import Query, Search
from sdk.registry import State

LISTED_STATES = (State.ACTIVE, State.PENDING, State.QUARANTINED)


def node_views(session: Session, rows: Sequence[PackRow], root: str) -> list[dict[str, Any]]:
    """Packs with their latest versions."""
    latest = packs.releases_by_id(session, [row.latest_id for row in rows])
    return [node_view(row, latest.get(row.latest_id or ""), root) for row in rows]


def search_nodes(
    session: Session, search: Search, query: Query, page: int, limit: int, root: str
) -> tuple[int, list[dict[str, Any]]]:
    """How many packs match, and one page of them."""
    total, ids = search.find(session, query, (page - 1) * limit, limit)
    return total, node_views(session, packs.packs_by_id(session, ids), root)


def installable(session: Session, node_id: str, version: str) -> tuple[PackRow, ReleaseRow]:
    """The version to install: the newest active one, or exactly the one asked for.

    Raises:
        NotFound: there is no such pack, or no version that can be installed.
        BadRequest: the version is none.
        Banned: pack or version is banned.
    """
    if version:
        check_semantic(version)
    pack = find_pack(session, node_id)
    if pack.status == "banned":
        raise Banned(f"The pack {pack.slug!r} is banned: {pack.status_detail or 'ask the operator why'}.")
    if version:
        found = find_release(session, pack, version)
        if found.state == State.BANNED:
            raise Banned(f"{pack.slug} {found.version} is banned: {found.reason or 'ask the operator why'}.")
        return pack, found
    latest = packs.release_by_id(session, pack.latest_id) if pack.latest_id else None
    if latest is None:
        raise NotFound("installable version of", pack.slug)
    return pack, latest


def states_of(statuses: Iterable[str]) -> list[State]:
    """Our states for the Comfy Registry's names.

    Raises:
        BadRequest: there is no such status.
    """
    wanted = [status for status in statuses if status]
    unknown = [status for status in wanted if status not in STATES]
    if unknown:
        raise BadRequest(f"There is no status {unknown[0]!r}; there are {', '.join(STATES)}.")
    return [STATES[status] for status in wanted] or list(LISTED_STATES)


def version_views(session: Session, node_id: str, states: Iterable[State], root: str) -> list[dict[str, Any]]:
    """A pack's versions in these states, newest first."""
    pack = find_pack(session, node_id)
    wanted = set(states)
    rows = [row for row in packs.releases(session, pack.id) if row.state in wanted]
    return [version_view(pack, row, root) for row in reversed(oldest_first(rows))]


def comfy_nodes(session: Session, release: ReleaseRow) -> list[dict[str, Any]]:
    """A release's nodes with their schemas."""
    schemas = _schemas(session, release)
    return [comfy_node_view(row, schemas.get(row["id"], {})) for row in release.nodes]


def comfy_node(session: Session, release: ReleaseRow, name: str) -> dict[str, Any]:
    """One node of a release.

    Raises:
        NotFound: the release has none of this name.
    """
    row = next((row for row in release.nodes if row["id"] == name), None)
    if row is None:
        raise NotFound("node", name)
    return comfy_node_view(row, _schemas(session, release).get(name, {}))


def pack_of_node(session: Session, name: str) -> PackRow:
    """The pack to install for a node: who pre-empts the name, else its owner, else the most used claimant.

    Raises:
        NotFound: no pack has it; the host's own nodes are in no pack.
    """
    active = [pack for claim, pack in nodes.claims(session, name) if claim.listed and pack.status == "active"]
    preempting = [pack for pack in active if name in pack.preempted]
    owner = nodes.owners(session, [name]).get(name)
    if preempting:
        active = preempting
    elif owner is not None and owner in active:
        return owner
    if not active or name in core_nodes():
        raise NotFound("pack with a node", name)
    return max(active, key=lambda pack: (pack.search_ranking, pack.downloads, -pack.id))


def bulk_versions(session: Session, wanted: Iterable[tuple[str, str]], root: str) -> list[dict[str, Any]]:
    """Many versions at once, each with whether it is there."""
    answers = []
    for node_id, version in wanted:
        answer: dict[str, Any] = {"identifier": {"node_id": node_id, "version": version}}
        try:
            pack = find_pack(session, node_id)
            found = find_release(session, pack, version)
            answer |= {"status": "success", "node_version": version_view(pack, found, root)}
        except NotFound:
            answer["status"] = "not_found"
        except BadRequest as error:
            answer |= {"status": "error", "error_message": str(error)}
        answers.append(answer)
    return answers


def _schemas(session: Session, release: ReleaseRow) -> Mapping[str, Mapping[str, Any]]:
    body = packs.schemas(session, release.schemas) if release.schemas else None
    return json.loads(body) if body else {}


def find_comfy_nodes(session: Session, node_id: str, version: str, name: str) -> list[dict[str, Any]]:
    """Nodes of a pack's version (the newest where none is named), or every newest version's node of this name."""
    if node_id:
        pack = find_pack(session, node_id)
        found = find_release(session, pack, version) if version else packs.release_by_id(session, pack.latest_id or "")
        return comfy_nodes(session, found) if found else []
    if not name:
        return []
    views = []
    for claim, pack in nodes.claims(session, name):
        latest = packs.release_by_id(session, pack.latest_id) if pack.latest_id and claim.listed else None
        if latest is not None and any(row["id"] == name for row in latest.nodes):
            views.append(comfy_node(session, latest, name) | {"node_id": pack.slug})
    return views
