"""What a user asks for, read from the words of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from registry_client.errors import BadRequirement
from sdk.registry import fold

_GIT = re.compile(r"git\+(?P<address>(?:https?|ssh|file)://[^@#\s]+(?:@[^/@#\s]+(?=/)[^@#\s]*)?)(?:@(?P<rev>[^#\s]+))?")


@dataclass(frozen=True)
class Wanted:
    """A pack by id, from a registry."""

    id: str
    specifier: SpecifierSet

    @property
    def folded(self) -> str:
        """The id as two spellings of it are the same."""
        return fold(self.id)

    def __str__(self) -> str:
        return f"{self.id}{self.specifier}"


@dataclass(frozen=True)
class DirectSource:
    """A pack that comes from elsewhere: ``kind`` is ``folder``, ``archive`` or ``git``; ``rev`` is git's."""

    kind: str
    place: str
    rev: str = ""

    def __str__(self) -> str:
        if self.kind == "git":
            return f"git+{self.place}" + (f"@{self.rev}" if self.rev else "")
        return self.place


def read_wanted(text: str, current: Path) -> Wanted | DirectSource:
    """A requirement such as ``acme-tint>=1.2,<2``, or a folder, an archive or a git address.

    Paths begin with ``.``, ``/`` or ``~`` or end in ``.zip``, so that no folder is taken for a pack of its name.

    Raises:
        BadRequirement: it is nothing of these, or there is no such file.
    """
    if text.startswith("git+"):
        return _git(text)
    if text.startswith((".", "/", "~")) or text.endswith(".zip") or "\\" in text:
        return _path(text, current)
    return read_requirement(text)


def read_requirement(text: str) -> Wanted:
    """A requirement on a pack of a registry.

    Raises:
        BadRequirement: it can't be read.
    """
    try:
        requirement = Requirement(text)
    except ValueError as error:
        raise BadRequirement(
            f'{text!r} is no pack: write for example acme-tint, "acme-tint>=1.2,<2", ./folder, pack.zip or '
            "git+https://host/repository@rev."
        ) from error
    if requirement.url or requirement.extras or requirement.marker:
        raise BadRequirement(f"{text!r}: packs have no extras, markers or addresses; write the id and a range.")
    return Wanted(requirement.name, requirement.specifier)


def _git(text: str) -> DirectSource:
    found = _GIT.fullmatch(text)
    if found is None:
        raise BadRequirement(f"{text!r} is no git address: write git+https://host/repository@rev.")
    return DirectSource("git", found["address"], found["rev"] or "")


def _path(text: str, current: Path) -> DirectSource:
    path = (current / Path(text).expanduser()).resolve()
    if path.is_dir():
        return DirectSource("folder", str(path))
    if path.is_file():
        return DirectSource("archive", str(path))
    raise BadRequirement(f"there is no folder or file {path}.")
