"""What can go wrong for an author.

CommandError
├── FolderMissing        there is no such folder
├── ChecksFailed         findings of high severity
├── ReferenceUnusable    what to compare with can't be read
├── ImportDisagrees      importing the pack gives other nodes than its source code shows
├── NotNew               what `new` would write is there already, or the name can't be a pack's
├── TestsFailed          tests of the pack failed, or there was no way to run them
├── NoRegistry           nothing says which registry is meant
├── NoToken              a registry needs a token, and none is known
├── TokensUnusable       the place where tokens are kept can't be read or written
└── RegistryRefused      a registry did not do what it was asked; the exit code says why
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sdk.commands import CommandError, ExitCode


class FolderMissing(CommandError):
    """There is no such folder."""

    exit_code = ExitCode.USAGE

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return f"there is no folder {self.folder}; name the one with the pack's pyproject.toml."


class ChecksFailed(CommandError):
    """The pack has findings of high severity; ``report`` is what ``--json`` prints."""

    exit_code = ExitCode.CHECK_FAILED

    def __init__(self, pack: str, count: int, report: dict[str, Any]) -> None:
        super().__init__(pack, count)
        self.pack, self.count, self.report = pack, count, report

    def __str__(self) -> str:
        what = "one finding" if self.count == 1 else f"{self.count} findings"
        return f"{self.pack} has {what} of high severity: a registry would quarantine it."

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | self.report


class ReferenceUnusable(CommandError):
    """The document to compare with can't be read."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where, self.problem = where, problem

    def __str__(self) -> str:
        return f"{self.where} can't be compared with: {self.problem}."


class ImportDisagrees(CommandError):
    """Importing the pack gives other nodes than its source code shows; ``problems`` says which."""

    exit_code = ExitCode.CHECK_FAILED

    def __init__(self, pack: str, problems: Iterable[str]) -> None:
        self.pack, self.problems = pack, tuple(problems)
        super().__init__(pack, self.problems)

    def __str__(self) -> str:
        return (
            f"importing {self.pack} gives other nodes than its source code shows: {'; '.join(self.problems)}. Declare "
            "nodes where they can be read, or pass --no-import to pack what the code shows."
        )


class NotNew(CommandError):
    """What ``new`` would write is there already, or can't be written."""

    exit_code = ExitCode.USAGE

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.problem}. Nothing was written."


class TestsFailed(CommandError):
    """Tests of the pack failed; ``report`` is what ``--json`` prints."""

    exit_code = ExitCode.CHECK_FAILED

    def __init__(self, pack: str, summary: str, report: dict[str, Any]) -> None:
        super().__init__(pack, summary)
        self.pack, self.summary, self.report = pack, summary, report

    def __str__(self) -> str:
        return f"{self.pack}: {self.summary}."

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | self.report


class NoRegistry(CommandError):
    """Nothing says which registry is meant."""

    exit_code = ExitCode.USAGE

    def __str__(self) -> str:
        return (
            "no registry is named: give --registry ADDRESS, set COMFY_PACKS_REGISTRY, or list one under [[registry]] "
            "in comfy-packs.toml."
        )


class NoToken(CommandError):
    """The registry needs a token, and none is known."""

    exit_code = ExitCode.REFUSED

    def __init__(self, registry: str) -> None:
        super().__init__(registry)
        self.registry = registry

    def __str__(self) -> str:
        return (
            f"no token for {self.registry} is known: run `comfy-nodes login --registry {self.registry}`, or set "
            "COMFY_PACKS_TOKEN."
        )


class TokensUnusable(CommandError):
    """The place where tokens are kept can't be read or written."""

    def __init__(self, place: str, problem: object) -> None:
        super().__init__(place, problem)
        self.place, self.problem = place, problem

    def __str__(self) -> str:
        return (
            f"{self.place} can't be used to keep tokens ({self.problem}): name a file with --token-file, or set "
            "COMFY_PACKS_TOKEN."
        )


class RegistryRefused(CommandError):
    """A registry did not do what it was asked.

    Attributes:
        registry: its address.
        what: what was asked, such as ``publish acme-tint 1.0.0``.
        status: of the HTTP answer; 0 where there was none.
        reason: the registry's own sentence, or what went wrong on the way.
        code: the registry's name for it, such as ``VERSION_EXISTS``.
        details: faults one by one.
    """

    def __init__(
        self, registry: str, what: str, status: int, reason: str, *, code: str = "", details: Sequence[Any] = ()
    ) -> None:
        super().__init__(registry, what, status, reason)
        self.registry, self.what, self.status, self.reason = registry, what, status, reason
        self.code, self.details = code, tuple(details)

    @property
    def exit_code(self) -> ExitCode:  # type: ignore[override]
        """By the answer: a node id of another pack, a version that exists, no right, nothing there, no answer."""
        known = {"NODE_OWNED": ExitCode.DUPLICATE_NODES, "VERSION_EXISTS": ExitCode.CONFLICT}
        if self.code in known:
            return known[self.code]
        if self.status in (0, 502, 503, 504) or self.status >= 500:
            return ExitCode.UNREACHABLE
        by_status = {404: ExitCode.NOT_FOUND, 409: ExitCode.CONFLICT, 429: ExitCode.BUSY}
        return by_status.get(self.status, ExitCode.REFUSED)

    def __str__(self) -> str:
        lines = [f"{self.registry} did not {self.what}: {self.reason.rstrip('.')}.{self._remedy()}"]
        return "\n".join([*lines, *(f"  {detail}" for detail in self.details if isinstance(detail, str))])

    def _remedy(self) -> str:
        if self.code == "VERSION_EXISTS":
            return " Published versions never change: give the pack a higher version in pyproject.toml."
        if self.status == 401:
            return f" Get a new token with `comfy-nodes login --registry {self.registry}`."
        return " Is the address right, and does the registry run?" if self.status == 0 else ""

    def as_json(self) -> dict[str, Any]:
        """The error with the registry's own facts."""
        facts = {"registry": self.registry, "status": self.status, "code": self.code, "details": list(self.details)}
        return super().as_json() | facts
