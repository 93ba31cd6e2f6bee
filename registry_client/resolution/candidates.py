"""Which releases of a pack may be chosen here at all, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from registry_client.resolution.facts import HostFacts
from sdk.registry import Pack, Release, State, fold


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A release that may be chosen.

    Attributes:
        registry: its address, "" for a direct source.
        source: a direct source's place, "" for a registry's pack.
    """

    id: str
    release: Release
    version: Version
    registry: str = ""
    source: str = ""

    def __str__(self) -> str:
        return f"{self.id} {self.release.version}"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the user allows.

    Attributes:
        prereleases: folded ids whose pre-releases may be chosen; ``*`` for all.
        exclude_newer: releases published after this moment are left out.
        installed: version by folded id that is there now; waiting for it to age would not help, so it is never too new.
        locked: those of them that shall stay, preferred where nothing speaks against it.
        isolated: folded ids of packs with a process of their own, whose Python packages concern nobody else.
    """

    prereleases: frozenset[str] = frozenset()
    exclude_newer: datetime | None = None
    installed: Mapping[str, str] = field(default_factory=dict)
    locked: Mapping[str, str] = field(default_factory=dict)
    isolated: frozenset[str] = frozenset()


@dataclass
class Sorted:
    """A pack's releases: those that may be chosen, newest first, and the reasons against the others, by version."""

    usable: list[Candidate]
    refused: dict[str, str]


def sort_releases(
    pack: Pack, registry: str, facts: HostFacts, policy: Policy, exactly: frozenset[Version] = frozenset()
) -> Sorted:
    """Sort a pack's releases.

    Args:
        exactly: versions that were asked for by ``==``; these may be yanked, pending or pre-releases.
    """
    found = Sorted([], {})
    for release in pack.releases:
        try:
            version = Version(release.version)
        except ValueError:  # also numbers with more digits than Python reads
            found.refused[release.version] = "its version can't be read"
            continue
        reason = _reason_against(release, version, facts, policy, fold(pack.id), version in exactly)
        if reason:
            found.refused[release.version] = reason
        else:
            found.usable.append(Candidate(id=pack.id, release=release, version=version, registry=registry))
    _leave_out_prereleases(found, policy, fold(pack.id), exactly)
    locked = policy.locked.get(fold(pack.id))
    found.usable.sort(key=lambda candidate: (candidate.release.version == locked, candidate.version), reverse=True)
    return found


def _leave_out_prereleases(found: Sorted, policy: Policy, folded: str, exactly: frozenset[Version]) -> None:
    """Leave pre-releases out, unless there is nothing else, as pip does."""
    if policy.prereleases & {folded, "*"} or all(c.version.is_prerelease for c in found.usable):
        return
    locked = policy.locked.get(folded)
    for candidate in found.usable:
        if candidate.version.is_prerelease and candidate.version not in exactly:
            found.refused[candidate.release.version] = "it is a pre-release (--pre allows it)"
    found.usable = [c for c in found.usable if c.release.version not in found.refused or c.release.version == locked]


def _reason_against(
    release: Release, version: Version, facts: HostFacts, policy: Policy, folded: str, exactly: bool
) -> str:
    said = f" ({release.reason})" if release.reason else ""
    if release.state in (State.QUARANTINED, State.BANNED):
        return f"it is {release.state}{said}"
    kept = exactly or policy.locked.get(folded) == release.version
    if release.state is not State.ACTIVE and not kept:
        return f"it is {release.state}{said}"
    is_here = policy.installed.get(folded) == release.version
    return reason_against_here(release, facts) or ("" if is_here else _too_new(release, policy.exclude_newer))


def reason_against_here(release: Release, facts: HostFacts) -> str:
    """Why a release can't work on this machine, as far as it says what it is made for; "" if it can."""
    checks: tuple[Callable[[], str], ...] = (
        lambda: _range("Python", release.requires_python, facts.python),
        lambda: _range("node API", release.host_api, facts.node_api),
        lambda: _one_of("systems", release.systems, (facts.system, "OS Independent")),
        lambda: _one_of("accelerators", release.accelerators, facts.accelerators),
    )
    return next((reason for check in checks if (reason := check())), "")


def _range(what: str, wanted: str, here: str) -> str:
    try:
        if not wanted or SpecifierSet(wanted).contains(here, prereleases=True):
            return ""
    except ValueError:
        return f"its range of {what} versions can't be read: {wanted[:100]!r}"
    return f"it needs {what} {wanted}, and this is {here}"


def _one_of(what: str, wanted: tuple[str, ...], here: tuple[str, ...]) -> str:
    fits = any(mine == theirs or mine.startswith(f"{theirs} ::") for theirs in wanted for mine in here)
    if not wanted or fits:
        return ""
    return f"it is made for the {what} {', '.join(wanted)}, and here is {', '.join(here) or 'none'}"


def _too_new(release: Release, limit: datetime | None) -> str:
    if limit is None:
        return ""
    try:
        moment = datetime.fromisoformat(release.published)
    except ValueError:
        return "nobody knows when it was published (--exclude-newer)"
    if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) > limit:
        return f"it was published on {release.published}, which is too new (--exclude-newer)"
    return ""
