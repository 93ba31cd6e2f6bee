"""Installed packs that their registry withdrew, that changed on disk, or that say they need much."""

from __future__ import annotations

from dataclasses import dataclass

from registry_client.index.protocol import Index
from registry_client.lockfile import Lock, LockedPack
from registry_client.store import Store
from registry_client.workspace import Workspace
from sdk.registry import Release, State


@dataclass(frozen=True)
class AuditFinding:
    """Something to know about an installed pack; ``level`` is ``high``, ``medium`` or ``info``."""

    level: str
    pack: str
    version: str
    problem: str


def audit_lock(lock: Lock, index: Index | None, workspace: Workspace) -> list[AuditFinding]:
    """What there is to know about the packs of a lock, the serious first."""
    found: list[AuditFinding] = []
    for pack in lock.packs:
        problems = [*_on_disk(pack, workspace)]
        if index is not None and not pack.source:
            problems += _in_registry(pack, index)
        found += [AuditFinding(level, pack.id, pack.version, problem) for level, problem in problems]
    order = {"high": 0, "medium": 1, "info": 2}
    return sorted(found, key=lambda finding: (order[finding.level], finding.pack))


def _on_disk(pack: LockedPack, workspace: Workspace) -> list[tuple[str, str]]:
    found = []
    if not Store(workspace.store).has(pack):
        found.append(("high", "its files are gone; `comfy-nodes sync` brings them back"))
    if pack.scripts:
        found.append(("info", "its install.py was run, so its files may differ from its archive"))
    if pack.source:
        found.append(("info", f"it comes from {pack.source}, of which no registry vouches"))
    return found


def _in_registry(pack: LockedPack, index: Index) -> list[tuple[str, str]]:
    listing = index.pack(pack.id)
    if listing is None:
        return [("high", f"{pack.registry} does not list it any more")]
    if listing.registry != pack.registry:
        return [("high", f"it was installed from {pack.registry}, and is now taken from {listing.registry}")]
    release = next((r for r in listing.pack.releases if r.version == pack.version), None)
    if release is None:
        return [("high", "its version is not listed any more")]
    found = [*_of_release(pack, release)]
    for deprecated in (release.deprecated, listing.pack.deprecated):
        if deprecated:
            instead = f"; instead: {deprecated.replacement}" if deprecated.replacement else ""
            found.append(("info", f"it is deprecated: {deprecated.reason or 'no reason given'}{instead}"))
    return found


def _of_release(pack: LockedPack, release: Release) -> list[tuple[str, str]]:
    found = []
    if release.sha256 != pack.sha256:
        found.append(("high", "the registry now names another archive for this version"))
    if release.state in (State.QUARANTINED, State.BANNED):
        found.append(("high", f"it is {release.state}: {release.reason or 'no reason given'}"))
    elif release.state is not State.ACTIVE:
        found.append(("medium", f"it is {release.state}: {release.reason or 'no reason given'}"))
    if count := release.findings.get("high", 0):
        found.append(("high", f"scanning it found {count} serious problem(s)"))
    if count := release.findings.get("medium", 0):
        found.append(("medium", f"scanning it found {count} problem(s)"))
    return found
