"""Versions of all Python packages that the chosen packs need, with hashes; or which packs stand in the way."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from registry_client.lockfile import LockedWheel
from registry_client.minimizing import smallest_failing
from registry_client.packages.stub_wheels import write_stub
from registry_client.packages.uv import NoChoice, Uv
from registry_client.resolution.candidates import Candidate
from registry_client.resolution.facts import HostFacts
from registry_client.resolution.no_solution import Cause

_PREFIX = "pack-"
SHARED = ("torch", "pluggy", "packaging", "docstring-parser")
"""Python packages that an isolated pack has from the host, with all that they need."""
_HASH = re.compile(r"--hash=(\S+)")


class PacksDisagree(NoChoice):
    """Packs that can't be installed together for the Python packages they need, directly or not.

    Attributes:
        packs: a smallest set of such packs; one pack alone contradicts the host, or asks for what is on no index.
    """

    def __init__(self, packs: Sequence[Candidate], text: str) -> None:
        super().__init__(text)
        self.packs = tuple(packs)

    def cause(self) -> Cause:
        """The same as a cause of ``NoSolution``."""
        needs = tuple((str(pack), "") for pack in self.packs)
        return Cause(kind="python", name="Python packages", needs=needs, detail=self.text)


def choose_wheels(
    packs: Iterable[Candidate], facts: HostFacts, uv: Uv, preferred: Mapping[str, str] | None = None
) -> tuple[LockedWheel, ...]:
    """What must be installed beside the host's own packages.

    Args:
        preferred: versions by name that are taken where nothing speaks against them.

    Raises:
        PacksDisagree: nothing satisfies all of them.
        Unreachable: an index gave no usable answer.
    """
    return _choose([pack for pack in packs if pack.release.dependencies], facts, uv, preferred or None)


def choose_isolated_wheels(
    pack: Candidate, facts: HostFacts, uv: Uv, wanted: Mapping[str, str] | None = None
) -> tuple[LockedWheel, ...]:
    """What a pack in a process of its own needs otherwise than the host has it, or beside it.

    The host's versions are kept where they can be. Some always are: torch, so that it is there once, and what the
    process itself is made of.

    Args:
        wanted: versions by name that come before the host's.

    Raises:
        PacksDisagree: nothing satisfies it even so.
        Unreachable: an index gave no usable answer.
    """
    if not pack.release.dependencies:
        return ()
    kept = _kept(facts.installed)
    fixed = {name: version for name, version in facts.installed.items() if name in kept}
    preferred = {name: version for name, version in facts.installed.items() if name not in kept}
    chosen = _choose([pack], replace(facts, installed=fixed), uv, {**preferred, **(wanted or {})})
    return tuple(replace(w, pack=pack.id) for w in chosen if not same_version(w.version, preferred.get(w.name)))


def same_version(one: str, other: str | None) -> bool:
    """Whether a version is that of an installed package, whose build may have a name of its own (``+cpu``)."""
    return bool(one) and other is not None and Version(one).public == Version(other).public


def _kept(installed: Mapping[str, str]) -> frozenset[str]:
    """What a pack's process shares with the host whatever the pack needs, by normalised name."""
    found: set[str] = set()
    waiting = [name for name in SHARED if name in installed]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [needed for needed in _needs_of_installed(name) if needed in installed]
    return frozenset(found)


def _needs_of_installed(name: str) -> list[str]:
    try:
        texts = metadata.metadata(name).get_all("Requires-Dist") or ()
    except metadata.PackageNotFoundError:
        return []
    parsed = map(Requirement, texts)
    return [str(canonicalize_name(r.name)) for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})]


def _choose(
    needing: Sequence[Candidate], facts: HostFacts, uv: Uv, preferred: Mapping[str, str] | None = None
) -> tuple[LockedWheel, ...]:
    if not needing:
        return ()
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as name:
        question = _Question(Path(name), facts, uv, preferred)
        try:
            return question.ask(needing)
        except NoChoice as error:
            guilty = smallest_failing(needing, question.fails)
            raise PacksDisagree(guilty, question.complaint(guilty) or error.text) from error


class _Question:
    """One host, to be asked about several sets of packs."""

    def __init__(self, folder: Path, facts: HostFacts, uv: Uv, preferred: Mapping[str, str] | None = None) -> None:
        self._folder, self._facts, self._uv, self._preferred = folder, facts, uv, preferred
        self._constraints = folder / "constraints.txt"
        stubs = (write_stub(folder, name, version, *_extras(name)) for name, version in facts.installed.items())
        self._constraints.write_text("\n".join(stubs) + "\n", encoding="utf-8")

    def ask(self, packs: Sequence[Candidate]) -> tuple[LockedWheel, ...]:
        lines = []
        for pack in packs:
            name = f"{_PREFIX}{canonicalize_name(pack.id)}"
            lines.append(write_stub(self._folder, name, str(pack.version), pack.release.dependencies))
            lines += [text for text in pack.release.dependencies if Requirement(text).url]
        requirements = self._folder / "requirements.txt"
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        known = {*self._facts.installed, *(f"{_PREFIX}{canonicalize_name(pack.id)}" for pack in packs)}
        found = parse_pins(self._uv.compile(requirements, self._constraints, self._pins()))
        return tuple(wheel for wheel in found if wheel.name not in known)

    def _pins(self) -> Path | None:
        if self._preferred is None:
            return None
        path = self._folder / "preferred.txt"
        path.write_text("".join(f"{name}=={version}\n" for name, version in self._preferred.items()), "utf-8")
        return path

    def fails(self, packs: Sequence[Candidate]) -> bool:
        return bool(self.complaint(packs))

    def complaint(self, packs: Sequence[Candidate]) -> str:
        try:
            self.ask(packs)
        except NoChoice as error:
            return error.text.replace(f" {_PREFIX}", " ")
        return ""


def parse_pins(text: str) -> tuple[LockedWheel, ...]:
    """Pins as uv and pip write them, one of each package."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        requirement = line.partition("--hash")[0].strip()
        if not requirement or requirement.startswith("#"):
            continue
        parsed = Requirement(requirement)
        version = next((part.version for part in parsed.specifier), "")
        name = str(canonicalize_name(parsed.name))
        hashes = tuple(sorted(_HASH.findall(line)))
        found.append(LockedWheel(name=name, version=version, hashes=hashes, url=parsed.url or ""))
    return tuple(sorted(found, key=lambda wheel: wheel.name))


def write_pins(wheels: Iterable[LockedWheel], path: Path) -> None:
    """Write pins as uv and pip read them."""
    lines = []
    for wheel in wheels:
        pin = f"{wheel.name} @ {wheel.url}" if wheel.url else f"{wheel.name}=={wheel.version}"
        lines.append(" \\\n".join([pin, *(f"    --hash={value}" for value in wheel.hashes)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _extras(name: str) -> tuple[list[str], list[str]]:
    """What an installed package needs for its extras; what it needs without them is there already."""
    try:
        facts = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return [], []
    requires = [text for text in facts.get_all("Requires-Dist") or () if "extra ==" in text]
    return requires, facts.get_all("Provides-Extra") or []
