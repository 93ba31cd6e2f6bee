"""From what an archive holds to the rows of a release."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from registry_server.errors import BadArchive
from registry_server.packs.tables import PackRow, ReleaseRow
from registry_server.packs.versions import canonical
from registry_server.publishing.objections import objections
from registry_server.scanning.examined import Examined
from registry_server.settings import Review
from sdk.inspection import NodeFacts
from sdk.registry import State, digest, encode_schemas, fold

_SHOWN_FINDINGS = 5
APPEAL = "If this is wrong, mark the line with a reason as docs/checks.md says, or ask the registry's operator."


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A version that somebody wants to publish.

    Attributes:
        id: the future release's.
        announced: slug and version that were announced before the archive came; "" where nothing was.
    """

    id: str
    publisher_id: str
    examined: Examined
    changelog: str = ""
    announced: tuple[str, str] = ("", "")
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The pack's id as the archive has it."""
        return self.examined.manifest.name

    @property
    def version(self) -> str:
        """The version as the archive has it."""
        return self.examined.manifest.version

    @property
    def key(self) -> str:
        """Where the archive is stored."""
        return f"archives/{self.examined.sha256[:2]}/{self.examined.sha256}/{self.slug}-{self.version}.zip"


def check_candidate(candidate: Candidate) -> None:
    """Return if nothing in the archive itself is against publishing it.

    Raises:
        BadArchive: the manifest is not the announced one, nodes can't be called so, a core package is pinned against
            the host's …; all of it is listed.
    """
    problems = [*_announced_otherwise(candidate), *objections(candidate.examined)]
    if problems:
        raise BadArchive(f"{candidate.slug} {candidate.version} can't be published: {'; '.join(problems)}", problems)


def release_row(candidate: Candidate, pack: PackRow, at: str, actor: str, state: State, reason: str) -> ReleaseRow:
    """The release as it is stored."""
    examined, manifest = candidate.examined, candidate.examined.manifest
    counts = Counter(finding.severity for finding in examined.findings)
    return ReleaseRow(
        id=candidate.id,
        pack_id=pack.id,
        version=manifest.version,
        canonical=canonical(manifest.version),
        state=state,
        reason=reason,
        changelog=candidate.changelog,
        published_at=at,
        published_by=actor,
        provenance=candidate.provenance,
        sha256=examined.sha256,
        size=examined.size,
        url=candidate.key,
        requires_python=manifest.requires_python,
        host_api=manifest.host_api,
        requires_comfyui=manifest.requires_comfyui,
        requires_frontend=manifest.requires_frontend,
        dependencies=list(examined.dependencies),
        packs=list(manifest.packs),
        systems=list(manifest.systems),
        accelerators=list(manifest.accelerators),
        permissions=list(manifest.permissions),
        install_script=examined.install_script,
        nodes=[node_row(node) for node in examined.nodes],
        nodes_complete=not examined.unread,
        findings=[finding.as_json() for finding in examined.findings],
        finding_counts=dict(counts),
        unread=[{"file": u.file, "line": u.line, "reason": u.reason} for u in examined.unread],
        readme=examined.readme,
    )


def describe_pack(pack: PackRow, candidate: Candidate) -> None:
    """Let a pack say of itself what its newest archive says."""
    manifest = candidate.examined.manifest
    pack.name = manifest.display_name or manifest.name
    pack.description = manifest.description
    pack.icon, pack.banner_url = manifest.icon, manifest.banner
    pack.license = json.dumps(dict(candidate.examined.licence), ensure_ascii=False)
    pack.repository = manifest.repository
    pack.systems, pack.accelerators = list(manifest.systems), list(manifest.accelerators)
    pack.requires_comfyui, pack.requires_frontend = manifest.requires_comfyui, manifest.requires_frontend


def first_state(examined: Examined, review: Review, *, first: bool) -> tuple[State, str]:
    """In which state a release begins, and why."""
    high = [finding for finding in examined.findings if finding.severity == "high"]
    if high:
        shown = "; ".join(f"{f.id} {f.file}:{f.line} {f.message}" for f in high[:_SHOWN_FINDINGS])
        more = f"; and {len(high) - _SHOWN_FINDINGS} more" if len(high) > _SHOWN_FINDINGS else ""
        return State.QUARANTINED, f"{shown}{more}. {APPEAL}"
    if review is Review.ALL or (review is Review.FIRST and first):
        return State.PENDING, "It waits for the registry's operator."
    return State.ACTIVE, ""


def schemas_document(examined: Examined) -> tuple[str, bytes] | None:
    """The nodes' schemas and their digest; ``None`` where none could be read."""
    schemas = {node.id: node.schema for node in examined.nodes if node.schema}
    if not schemas:
        return None
    body = encode_schemas(schemas)
    return digest(body), body


def node_row(node: NodeFacts) -> dict[str, Any]:
    """A node as the release's row keeps it."""
    row: dict[str, Any] = {"id": node.id}
    optional = {
        "title": node.title,
        "code": node.code,
        "category": node.category,
        "description": node.description,
        "deprecated": node.deprecated,
        "aliases": list(node.aliases),
    }
    return row | {key: value for key, value in optional.items() if value}


def _announced_otherwise(candidate: Candidate) -> list[str]:
    slug, version = candidate.announced
    problems = []
    if slug and fold(slug) != fold(candidate.slug):
        problems.append(f"{slug!r} was announced, but the archive's project.name is {candidate.slug!r}")
    if version and canonical(version) != canonical(candidate.version):
        problems.append(f"version {version} was announced, but the archive's project.version is {candidate.version}")
    return problems
