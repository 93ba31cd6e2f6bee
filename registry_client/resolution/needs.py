"""The two kinds of requirement, on packs and on Python packages, each with who has it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from registry_client.resolution.candidates import Candidate
from registry_client.resolution.facts import HostFacts
from sdk.python_requirements import parse_requirement
from sdk.registry import fold

PACK = "pack"
PYTHON = "python"
Identifier = tuple[str, str]
"""Kind and normalised name."""


@dataclass(frozen=True)
class Need:
    """A requirement: on what, in which range, and who has it (None: the user)."""

    kind: str
    name: str
    specifier: SpecifierSet
    by: Candidate | None = None

    @property
    def identifier(self) -> Identifier:
        """What the resolver files it under."""
        return self.kind, fold(self.name)

    @property
    def who(self) -> str:
        """The pack and version, or "you"."""
        return str(self.by) if self.by else "you"

    def __str__(self) -> str:
        return f"{self.who}: {self.name}{self.specifier}"


@dataclass(frozen=True)
class Agreement:
    """A version of a Python package that all who need it can agree on exists, as far as ranges tell."""

    name: str


@lru_cache(maxsize=50_000)
def read(text: str) -> Requirement:
    """A requirement; releases of a pack mostly repeat each other's.

    Raises:
        ValueError: it can't be read, or not its versions.
    """
    return parse_requirement(text)


def needs_of(candidate: Candidate, facts: HostFacts) -> list[Need]:
    """What a release needs here.

    A requirement that can't be read is one on a pack that nobody has, so that another release is taken.
    """
    found = []
    for kind, texts in ((PACK, candidate.release.packs), (PYTHON, candidate.release.dependencies)):
        for text in texts:
            try:
                requirement = read(text)
            except ValueError:
                found.append(Need(PACK, text, SpecifierSet(), candidate))
                continue
            if _applies(requirement, facts) and not requirement.url:
                name = requirement.name if kind == PACK else str(canonicalize_name(requirement.name))
                found.append(Need(kind, name, requirement.specifier, candidate))
    return found


def against_host(candidate: Candidate, facts: HostFacts) -> str:
    """What a release needs in another version than the host has, "" where it fits."""
    for need in needs_of(candidate, facts):
        installed = facts.installed.get(need.name) if need.kind == PYTHON else None
        if installed and not need.specifier.contains(installed, prereleases=True):
            return f"it needs {need.name}{need.specifier}, and the host has {installed}"
    return ""


def _applies(requirement: Requirement, facts: HostFacts) -> bool:
    if requirement.marker is None:
        return True
    python = {"python_version": ".".join(facts.python.split(".")[:2]), "python_full_version": facts.python}
    return requirement.marker.evaluate({**python, "extra": ""})
