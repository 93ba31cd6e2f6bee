"""What the pages of packs and nodes show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup
from packaging.requirements import Requirement
from sqlalchemy.orm import Session

from registry_server.index.records import license_text
from registry_server.nodes import repository as nodes
from registry_server.nodes.service import describe
from registry_server.packs import repository as packs
from registry_server.packs.service import find_release
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import oldest_first
from registry_server.web.drawing import Drawing, draw
from registry_server.web.readme import LONGEST, readme_html
from registry_server.web.repository import claims_with_codes
from sdk.checks import SEVERITIES
from sdk.registry import State

MOST_DRAWN = 60
MOST_LISTED = 300


@dataclass(frozen=True, kw_only=True)
class PackPage:
    """A pack and one of its releases.

    Attributes:
        release: the one that is shown; ``None`` where there is none at all.
        releases: all, newest first.
        drawn: nodes to draw; ``listed`` are ids of further ones, ``unlisted`` says how many more there are.
        kept: ids that are the pack's though this release does not provide them.
        needed: other packs, each with the requirement's text.
    """

    pack: PackRow
    licence: str
    release: ReleaseRow | None = None
    releases: Sequence[ReleaseRow] = ()
    readme: Markup = field(default_factory=Markup)
    readme_is_cut: bool = False
    drawn: Sequence[Drawing] = ()
    listed: Sequence[str] = ()
    unlisted: int = 0
    kept: Sequence[str] = ()
    findings: Sequence[Mapping[str, Any]] = ()
    needed: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class NodePage:
    """A node id.

    Attributes:
        facts: owner, claimants, aliases … as the API gives them.
        shown: pack, version and drawing; ``None`` where nobody's node could be read.
        same: packs and ids of nodes with the very same code.
    """

    facts: Mapping[str, Any]
    shown: tuple[str, str, Drawing] | None
    same: Sequence[tuple[str, str]] = ()


def pack_page(session: Session, pack: PackRow, version: str = "") -> PackPage:
    """What is shown of a pack and this version of it; where none is named, of the one that would be installed.

    Raises:
        NotFound: there is no such version.
        BadRequest: it is no version.
    """
    releases = oldest_first(packs.releases(session, pack.id))[::-1]
    shown_at_all = [release for release in releases if release.state != State.BANNED]
    default = next((r for r in shown_at_all if r.id == pack.latest_id), shown_at_all[0] if shown_at_all else None)
    wanted = version or (default.version if default else "")
    owned, licence = nodes.owned_by(session, pack.id), license_text(pack.license)
    if not wanted:
        kept = owned[:MOST_LISTED]
        return PackPage(pack=pack, licence=licence, kept=kept, unlisted=len(owned) - len(kept))
    release = find_release(session, pack, wanted, details=True)
    schemas, provided = _schemas(session, release), {node["id"] for node in release.nodes}
    ordered = sorted(release.nodes, key=lambda node: str(node.get("title") or node["id"]).lower())
    further = [node["id"] for node in ordered[MOST_DRAWN:]]
    return PackPage(
        pack=pack,
        licence=licence,
        release=release,
        releases=releases,
        readme=readme_html(release.readme, pack.repository),
        readme_is_cut=len(release.readme) > LONGEST,
        drawn=[draw(node, schemas.get(node["id"])) for node in ordered[:MOST_DRAWN]],
        listed=further[:MOST_LISTED],
        unlisted=len(further[MOST_LISTED:]),
        kept=[node_id for node_id in owned if node_id not in provided][:MOST_LISTED],
        findings=sorted(release.findings, key=_gravest_first),
        needed=[(_name_of(text), text) for text in release.packs],
    )


def node_page(session: Session, node_id: str) -> NodePage:
    """What is shown of a node id.

    Raises:
        NotFound: nobody has ever claimed it.
    """
    facts = describe(session, node_id)
    claims = [(claim, pack) for claim, pack in nodes.claims(session, node_id) if claim.listed]
    owned_first = sorted(claims, key=lambda found: found[1].slug != facts["owner"])
    shown: tuple[str, str, Drawing] | None = None
    code = ""
    for claim, pack in owned_first:
        release = packs.release_by_id(session, pack.latest_id) if pack.latest_id and pack.status == "active" else None
        row = next((node for node in release.nodes if node["id"] == node_id), None) if release else None
        if release is not None and row is not None:
            drawing = draw(row, _schemas(session, release).get(node_id))
            shown, code = (pack.slug, release.version, drawing), claim.code
            break
    holders = claims_with_codes(session, [code]) if code else []
    itself = (shown[0], node_id) if shown else ("", "")
    same = [(pack.slug, claim.node_id) for claim, pack in holders if (pack.slug, claim.node_id) != itself]
    return NodePage(facts=facts, shown=shown, same=same)


def _schemas(session: Session, release: ReleaseRow) -> dict[str, Any]:
    body = packs.schemas(session, release.schemas) if release.schemas else None
    parsed = json.loads(body) if body else {}
    return parsed if isinstance(parsed, dict) else {}


def _gravest_first(finding: Mapping[str, Any]) -> tuple[int, str, str, int]:
    return SEVERITIES.index(finding["severity"]), finding["id"], finding["file"], finding["line"]


def _name_of(requirement: str) -> str:
    try:
        return Requirement(requirement).name
    except ValueError:
        return ""
