"""``resolve``: a version of every pack that is wanted or needed, or the reasons why there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver
from resolvelib.structs import RequirementInformation

from registry_client.index.protocol import Index
from registry_client.requirements import Wanted
from registry_client.resolution.candidates import Candidate, Policy
from registry_client.resolution.facts import HostFacts
from registry_client.resolution.needs import PACK, PYTHON, Agreement, Identifier, Need, needs_of
from registry_client.resolution.no_solution import Cause, NoSolution, cause_of
from registry_client.resolution.provider import Nogood, PackProvider

MAX_ROUNDS = 20_000


@dataclass(frozen=True)
class Resolution:
    """A choice.

    Attributes:
        packs: the chosen releases, by id.
        python: requirements on Python packages, each with the pack that has it.
    """

    packs: tuple[Candidate, ...]
    python: tuple[Need, ...]


def resolve(
    wanted: Iterable[Wanted],
    index: Index,
    facts: HostFacts,
    policy: Policy,
    *,
    direct: Mapping[str, Candidate] | None = None,
    nogoods: Iterable[Nogood] = (),
) -> Resolution:
    """Choose a release of each wanted pack and of all that these need.

    Args:
        direct: packs from folders, archives and git by id; they are wanted too.
        nogoods: combinations that are known to fail.

    Raises:
        NoSolution: there is no choice; ``causes`` says why.
        Unreachable: the index could not be asked.
    """
    provider = PackProvider(index, facts, policy, direct, nogoods)
    needs = [Need(PACK, item.id, item.specifier) for item in wanted]
    needs += [Need(PACK, candidate.id, SpecifierSet()) for candidate in provider.direct.values()]
    index.prefetch([need.name for need in needs])
    conflicts = _Conflicts()
    resolver: Resolver[Need, Candidate | Agreement, Identifier] = Resolver(provider, conflicts)
    try:
        result = resolver.resolve(needs, max_rounds=MAX_ROUNDS)
    except ResolutionImpossible as error:
        conflicts.resolving_conflicts(error.causes)
        raise NoSolution(conflicts.causes(provider)) from error
    except ResolutionTooDeep as error:
        raise NoSolution(conflicts.causes(provider), gave_up=True) from error
    chosen = sorted((c for c in result.mapping.values() if isinstance(c, Candidate)), key=lambda c: c.id.lower())
    python = tuple(need for c in chosen for need in needs_of(c, facts) if need.kind == PYTHON)
    return Resolution(tuple(chosen), python)


class _Conflicts(BaseReporter[Need, Candidate | Agreement, Identifier]):
    """Keeps the first conflict, which is about the newest versions, and the last one, which ended the search."""

    def __init__(self) -> None:
        self._first: list[Need] = []
        self._last: list[Need] = []

    def resolving_conflicts(self, causes: Collection[RequirementInformation[Need, Candidate | Agreement]]) -> None:
        self._last = [cause.requirement for cause in causes]
        self._first = self._first or self._last

    def causes(self, provider: PackProvider) -> tuple[Cause, ...]:
        first, last = cause_of(self._first, provider), cause_of(self._last, provider)
        return first + tuple(cause for cause in last if cause not in first)
