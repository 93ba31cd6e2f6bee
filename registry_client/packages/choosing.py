"""Versions of all Python packages that the chosen packs need, with hashes; or which packs stand in the way."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from registry_client.lockfile import LockedWheel
from registry_client.minimizing import smallest_failing
from registry_client.packages.stub_wheels import write_stub
from registry_client.packages.uv import NoChoice, Uv
from registry_client.resolution.candidates import Candidate
from registry_client.resolution.facts import HostFacts
from registry_client.resolution.no_solution import Cause

_PREFIX = "pack-"
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


def choose_wheels(packs: Iterable[Candidate], facts: HostFacts, uv: Uv) -> tuple[LockedWheel, ...]:
    """What must be installed beside the host's own packages.

    Raises:
        PacksDisagree: nothing satisfies all of them.
        Unreachable: an index gave no usable answer.
    """
    needing = [pack for pack in packs if pack.release.dependencies]
    if not needing:
        return ()
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as name:
        question = _Question(Path(name), facts, uv)
        try:
            return question.ask(needing)
        except NoChoice as error:
            guilty = smallest_failing(needing, question.fails)
            raise PacksDisagree(guilty, question.complaint(guilty) or error.text) from error


class _Question:
    """One host, to be asked about several sets of packs."""

    def __init__(self, folder: Path, facts: HostFacts, uv: Uv) -> None:
        self._folder, self._facts, self._uv = folder, facts, uv
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
        found = parse_pins(self._uv.compile(requirements, self._constraints))
        return tuple(wheel for wheel in found if wheel.name not in known)

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
