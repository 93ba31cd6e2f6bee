"""What does not go together in an installation, in three levels.

* ``hard``: something can't work.
* ``shadowed``: something works under another name than one may expect.
* ``information``: something looks alike, and may be confused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from registry_client.duplicates import Member, find_duplicates
from registry_client.likeness import Likeness
from registry_client.lockfile import Lock
from registry_client.ownership import Claimant, duplicates
from registry_client.resolution.facts import HostFacts
from registry_client.store import Store
from sdk.registry import fold

HARD, SHADOWED, INFORMATION = "hard", "shadowed", "information"


@dataclass(frozen=True)
class Conflict:
    """Something that does not go together; ``packs`` are those concerned."""

    level: str
    packs: tuple[str, ...]
    problem: str


def find_conflicts(
    lock: Lock, facts: HostFacts, host: Claimant | None, store: Store, likenesses: Iterable[Likeness] = ()
) -> list[Conflict]:
    """All there are in this installation, the hard ones first; ``likenesses`` tell of its packs' code."""
    claimants = [Claimant(p.id, p.version, frozenset(p.nodes)) for p in lock.packs if p.enabled]
    return [
        *_missing(lock, store),
        *_against_host(lock, facts),
        *unmet_needs(lock),
        *_names([*([host] if host else []), *claimants], lock),
        *_alike(lock),
        *(Conflict(INFORMATION, likeness.packs, str(likeness)) for likeness in likenesses),
    ]


def _missing(lock: Lock, store: Store) -> Iterable[Conflict]:
    for pack in lock.packs:
        if not store.has(pack):
            yield Conflict(HARD, (pack.id,), f"the files of {pack} are gone; `comfy-nodes sync` brings them back")


def _against_host(lock: Lock, facts: HostFacts) -> Iterable[Conflict]:
    """The host may have changed since; and a wheel may since be among its own packages."""
    for pack in (pack for pack in lock.packs if not pack.isolated):
        for requirement in map(Requirement, pack.dependencies):
            installed = facts.installed.get(str(canonicalize_name(requirement.name)))
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if installed and applies and not requirement.specifier.contains(installed, prereleases=True):
                yield Conflict(HARD, (pack.id,), f"{pack} needs {requirement}, and the host has {installed}")
    for wheel in lock.wheels_of():
        installed = facts.installed.get(wheel.name)
        if installed:
            problem = f"the Python package {wheel.name} {wheel.version} is hidden by the host's {installed}"
            yield Conflict(SHADOWED, (), f"{problem}; `comfy-nodes update` resolves again")


def unmet_needs(lock: Lock) -> Iterable[Conflict]:
    """Packs that the host loads, and that lack others which they need."""
    for pack in (pack for pack in lock.packs if pack.enabled):
        for requirement in map(Requirement, pack.packs):
            there = lock.pack(requirement.name)
            if there is None or not there.enabled:
                state = "is disabled" if there else "is not installed"
                yield Conflict(HARD, (pack.id,), f"{pack} needs {requirement}, which {state}")
            elif not there.source and not requirement.specifier.contains(there.version, prereleases=True):
                yield Conflict(HARD, (pack.id, there.id), f"{pack} needs {requirement}, and {there} is installed")


def _names(claimants: list[Claimant], lock: Lock) -> Iterable[Conflict]:
    for node, all_ in duplicates(claimants).items():
        packs = tuple(one.pack for one in all_)
        owner = lock.owners.get(node)
        if owner is None:
            yield Conflict(HARD, packs, f"node {node!r} belongs to nobody: install again with --prefer {packs[-1]}")
            continue
        others = ", ".join(f"{pack}/{node}" for pack in packs if fold(pack) != fold(owner))
        yield Conflict(SHADOWED, packs, f"node {node!r} belongs to {owner}; the others are {others}")


def _alike(lock: Lock) -> Iterable[Conflict]:
    members = [Member(pack.id, node) for pack in lock.packs if pack.enabled for node in pack.nodes]
    for group in find_duplicates(members):
        if group.kind == "folded id":
            names = ", ".join(f"{member.pack}/{member.id}" for member in group.members)
            packs = tuple(dict.fromkeys(member.pack for member in group.members))
            yield Conflict(INFORMATION, packs, f"nodes with nearly the same name: {names}")
