"""Which pack a node id belongs to, where several provide it. Nobody but the user decides that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry_client.errors import BadRequirement, DuplicateNodes
from sdk.registry import Release, fold

CORE = "core"


@dataclass(frozen=True)
class Claimant:
    """A pack with the names that its nodes answer to."""

    pack: str
    version: str
    nodes: frozenset[str]


def claimant(pack: str, version: str, release: Release) -> Claimant:
    """What a release claims: the ids of its nodes, and their former ids."""
    names = (name for claim in release.nodes for name in (claim.id, *claim.aliases))
    return Claimant(pack, version, frozenset(names))


def duplicates(claimants: Iterable[Claimant]) -> dict[str, tuple[Claimant, ...]]:
    """Node ids that more than one claims."""
    found: dict[str, list[Claimant]] = {}
    for one in claimants:
        for node in one.nodes:
            found.setdefault(node, []).append(one)
    return {node: tuple(all_) for node, all_ in sorted(found.items()) if len(all_) > 1}


def decide(
    claimants: Iterable[Claimant], prefer: Iterable[str] = (), decided: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The owner of each node id that several claim.

    Args:
        prefer: packs that get every name they claim; the first of several wins.
        decided: owners as decided before; they stay while they still claim the name.

    Raises:
        DuplicateNodes: names that nothing was decided about.
        BadRequirement: a pack in ``prefer`` claims no contested name.
    """
    contested = duplicates(claimants)
    preferred = [fold(name) for name in prefer]
    owners: dict[str, str] = {}
    for node, all_ in contested.items():
        by_name = {fold(one.pack): one.pack for one in all_}
        before = fold((decided or {}).get(node, ""))
        winner = next((name for name in (*preferred, before) if name in by_name), None)
        if winner is not None:
            owners[node] = by_name[winner]
    if open_ := {node: all_ for node, all_ in contested.items() if node not in owners}:
        raise DuplicateNodes({n: [(one.pack, one.version) for one in all_] for n, all_ in open_.items()})
    claiming = {fold(one.pack) for all_ in contested.values() for one in all_}
    if idle := [name for name in preferred if name not in claiming]:
        raise BadRequirement(f"--prefer {idle[0]}: it claims no node that another pack provides too.")
    return owners
