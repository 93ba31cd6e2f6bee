"""What can be wrong with an archive, or with a folder that shall become one.

SdkError
└── ArchiveError             a command ends with INTEGRITY
    ├── DamagedArchive       no zip, cut off, or its parts contradict each other
    ├── UnsafeArchive        names or kinds of entries that must not be unpacked; all are listed
    ├── ArchiveTooLarge      more bytes, files or expansion than allowed
    ├── BadTarget            where to unpack to is no empty folder
    └── CannotBuild          a folder can't become an archive; every reason is listed
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sdk.commands import CommandError, ExitCode
from sdk.errors import SdkError


class ArchiveError(CommandError, SdkError):
    """Root of what can be wrong with an archive; ``archive`` is its path."""

    exit_code = ExitCode.INTEGRITY

    def __init__(self, archive: Path, *facts: object) -> None:
        super().__init__(archive, *facts)
        self.archive = archive


class DamagedArchive(ArchiveError):
    """It is no zip, was cut off, or its parts contradict each other."""

    def __init__(self, archive: Path, problem: str) -> None:
        super().__init__(archive, problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.archive.name}: {self.problem}. Download or build it again."


class UnsafeArchive(ArchiveError):
    """Entries that must not be unpacked; ``problems`` holds each as (entry, what is wrong with it)."""

    def __init__(self, archive: Path, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__(archive, self.problems)

    def __str__(self) -> str:
        shown = "; ".join(f"{name!r} {problem}" for name, problem in self.problems[:10])
        more = f"; and {len(self.problems) - 10} more" if len(self.problems) > 10 else ""
        return f"{self.archive.name} is refused: {shown}{more}. Tell the pack's author."


class ArchiveTooLarge(ArchiveError):
    """A limit is exceeded.

    Attributes:
        what: what there is too much of.
        found, allowed: in bytes, files, or times, as ``what`` says.
    """

    def __init__(self, archive: Path, what: str, found: int, allowed: int) -> None:
        super().__init__(archive, what, found, allowed)
        self.what, self.found, self.allowed = what, found, allowed

    def __str__(self) -> str:
        return f"{self.archive.name}: {self.what} is {self.found:,}, and {self.allowed:,} is allowed."


class BadTarget(ArchiveError):
    """The folder to unpack into holds something, or is none."""

    def __init__(self, archive: Path, target: Path) -> None:
        super().__init__(archive, target)
        self.target = target

    def __str__(self) -> str:
        return (
            f"{self.archive.name} can't be unpacked into {self.target}: give a folder that is empty or not there yet."
        )


class CannotBuild(ArchiveError):
    """A folder can't become an archive; ``archive`` is the folder, ``problems`` says why."""

    exit_code = ExitCode.FAILURE

    def __init__(self, folder: Path, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(folder, self.problems)

    def __str__(self) -> str:
        return f"{self.archive} can't be packed: " + "; ".join(self.problems)
