"""What a user should know about packs before they are there: states, scripts, copies."""

from __future__ import annotations

from collections.abc import Iterable

from registry_client.lockfile import Lock
from registry_client.resolution.candidates import Candidate
from registry_client.resolution.resolve import Resolution
from sdk.registry import State, fold

SHOWN = 5


def cautions(resolution: Resolution, scripts: Iterable[str], before: Lock) -> list[str]:
    """A sentence for each thing that is worth knowing about the packs that are new.

    Args:
        scripts: packs whose ``install.py`` may run.
    """
    found, allowed = [], {fold(name) for name in scripts}
    for candidate in resolution.packs:
        release, old = candidate.release, before.pack(candidate.id)
        if old is not None and old.sha256 == release.sha256:
            continue
        if release.state is not State.ACTIVE:
            found.append(f"{candidate} is {release.state}{f' ({release.reason})' if release.reason else ''}")
        if release.deprecated:
            instead = f"; instead: {release.deprecated.replacement}" if release.deprecated.replacement else ""
            found.append(f"{candidate} is deprecated: {release.deprecated.reason or 'no reason given'}{instead}")
        if release.install_script and fold(candidate.id) not in allowed:
            found.append(
                f"{candidate} has an install.py, which was not run; if it does not work without, read the script and "
                f"install with --allow-scripts {candidate.id}"
            )
        if not release.nodes_complete:
            found.append(f"not all nodes of {candidate} are known before it is imported")
    return [*found, *_copies(resolution, before)]


def _copies(resolution: Resolution, before: Lock) -> list[str]:
    """A sentence for each two packs, one of them new, that have nodes of the very same code."""
    by_code: dict[str, list[tuple[Candidate, str]]] = {}
    for candidate in resolution.packs:
        for claim in candidate.release.nodes:
            if claim.code:
                by_code.setdefault(claim.code, []).append((candidate, claim.id))
    pairs: dict[tuple[str, str], list[str]] = {}
    for same in by_code.values():
        (one, mine), *others = same
        for other, theirs in others:
            if one is not other and not (_is_there(one, before) and _is_there(other, before)):
                pairs.setdefault((str(one), str(other)), []).append(mine if mine == theirs else f"{mine} ({theirs})")
    return [
        f"{one} and {other} have the same code for {', '.join(nodes[:SHOWN])}"
        + (f" and {len(nodes) - SHOWN} others" if len(nodes) > SHOWN else "")
        for (one, other), nodes in pairs.items()
    ]


def _is_there(candidate: Candidate, before: Lock) -> bool:
    old = before.pack(candidate.id)
    return old is not None and old.sha256 == candidate.release.sha256
