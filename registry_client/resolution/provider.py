"""Teaches resolvelib what packs are.

Python packages take part as far as the ranges tell that packs name themselves: a release that contradicts the host's
version, or another pack's range, is left for an older one. What lies deeper is found by ``registry_client.packages``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from resolvelib import AbstractProvider

from registry_client.index.protocol import Index
from registry_client.resolution.candidates import Candidate, Policy, Sorted, reason_against_here, sort_releases
from registry_client.resolution.facts import HostFacts
from registry_client.resolution.needs import PACK, PYTHON, Agreement, Identifier, Need, needs_of
from sdk.registry import fold

Nogood = frozenset[tuple[str, str]]
"""Folded ids with versions that were found not to go together."""


class PackProvider(AbstractProvider[Need, "Candidate | Agreement", Identifier]):
    """Answers resolvelib's questions from an index.

    Args:
        direct: packs from folders, archives and git, which take the place of any registry's.
        nogoods: combinations that are known to fail.
    """

    def __init__(
        self,
        index: Index,
        facts: HostFacts,
        policy: Policy,
        direct: Mapping[str, Candidate] | None = None,
        nogoods: Iterable[Nogood] = (),
    ) -> None:
        self.index, self.facts, self.policy = index, facts, policy
        self.direct = {fold(name): candidate for name, candidate in (direct or {}).items()}
        self.unknown: set[str] = set()
        self._nogoods = tuple(nogoods)
        self._sorted: dict[tuple[str, frozenset[Version]], Sorted] = {}

    def identify(self, requirement_or_candidate: Any) -> Identifier:
        """Kind and normalised name."""
        found = requirement_or_candidate
        if isinstance(found, Need):
            return found.identifier
        return (PACK, fold(found.id)) if isinstance(found, Candidate) else (PYTHON, fold(found.name))

    def get_preference(
        self,
        identifier: Identifier,
        resolutions: Mapping[Identifier, Candidate | Agreement],
        candidates: Mapping[Identifier, Iterator[Candidate | Agreement]],
        information: Mapping[Identifier, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> tuple[bool, bool, bool, str]:
        """Python packages first, for they are decided at once; then what caused trouble, then what is pinned."""
        kind, name = identifier
        trouble = any(cause.requirement.identifier == identifier for cause in backtrack_causes)
        needs = [item.requirement for item in information[identifier]]
        pinned = any(_exact(need.specifier) for need in needs)
        return kind == PACK, not trouble, not pinned, name

    def find_matches(
        self,
        identifier: Identifier,
        requirements: Mapping[Identifier, Iterator[Need]],
        incompatibilities: Mapping[Identifier, Iterator[Candidate | Agreement]],
    ) -> list[Candidate | Agreement]:
        """What satisfies all these needs, best first."""
        needs = list(requirements[identifier])
        if identifier[0] == PYTHON:
            tried = any(True for _ in incompatibilities[identifier])
            agree = not tried and self.agree(identifier[1], [need.specifier for need in needs])
            return [Agreement(identifier[1])] if agree else []
        excluded = {c.release.version for c in incompatibilities[identifier] if isinstance(c, Candidate)}
        found = self.releases(identifier[1], needs).usable
        return [c for c in found if c.release.version not in excluded and all(_fits(need, c) for need in needs)]

    def is_satisfied_by(self, requirement: Need, candidate: Candidate | Agreement) -> bool:
        """Whether a candidate is in range; for Python packages ``find_matches`` has looked at all ranges together."""
        if isinstance(candidate, Agreement):
            installed = self.facts.installed.get(candidate.name)
            return installed is None or requirement.specifier.contains(installed, prereleases=True)
        return _fits(requirement, candidate)

    def get_dependencies(self, candidate: Candidate | Agreement) -> list[Need]:
        """What a release needs; a known bad combination is a need that nothing satisfies."""
        if isinstance(candidate, Agreement):
            return []
        apart = fold(candidate.id) in self.policy.isolated
        needs = [need for need in needs_of(candidate, self.facts) if not (apart and need.kind == PYTHON)]
        return [*needs, *self._forbidden(candidate)]

    def releases(self, folded: str, needs: Iterable[Need] = ()) -> Sorted:
        """A pack's releases, sorted into usable ones and others."""
        exactly = frozenset(v for need in needs for v in _exact(need.specifier))
        key = folded, exactly
        if key not in self._sorted:
            self._sorted[key] = self._sort(folded, exactly)
        return self._sorted[key]

    def agree(self, name: str, ranges: Sequence[SpecifierSet]) -> bool:
        """Whether a version of a Python package can be in all ranges; the host's own, if it has the package."""
        together = SpecifierSet()
        for found in ranges:
            together &= found
        installed = self.facts.installed.get(name)
        if installed is not None:
            return together.contains(installed, prereleases=True)
        return not together.is_unsatisfiable()

    def can_meet(self, needs: Sequence[Need]) -> bool:
        """Whether one version is in the ranges of all these needs, which are of the same thing."""
        if not needs:
            return True
        kind, name = needs[0].identifier
        if kind == PYTHON:
            return self.agree(name, [need.specifier for need in needs])
        return any(all(_fits(need, c) for need in needs) for c in self.releases(name, needs).usable)

    def _sort(self, folded: str, exactly: frozenset[Version]) -> Sorted:
        if direct := self.direct.get(folded):
            reason = reason_against_here(direct.release, self.facts)
            return Sorted([], {direct.release.version: reason}) if reason else Sorted([direct], {})
        listing = self.index.pack(folded)
        if listing is None:
            self.unknown.add(folded)
            return Sorted([], {})
        return sort_releases(listing.pack, listing.registry, self.facts, self.policy, exactly)

    def _forbidden(self, candidate: Candidate) -> list[Need]:
        me = fold(candidate.id), candidate.release.version
        return [
            Need(PACK, folded, SpecifierSet(f"!={version}"), candidate)
            for nogood in self._nogoods
            if me in nogood
            for folded, version in (nogood - {me} or {me})  # a pack that can't be had at all excludes itself
        ]


def _exact(specifier: SpecifierSet) -> list[Version]:
    return [Version(part.version) for part in specifier if part.operator == "==" and "*" not in part.version]


def _fits(need: Need, candidate: Candidate) -> bool:
    return bool(candidate.source) or need.specifier.contains(candidate.version, prereleases=True)
