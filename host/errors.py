"""Errors of the host program itself, and the exit code each one ends the command line with.

    HostError                      1
    ├── SettingsError              2   a flag, a variable or a line of the settings file is unusable
    ├── WorkflowUnreadable         3   the file holds no workflow, or a broken one
    ├── OverrideError              3   ``--set`` names an input that isn't there
    ├── PromptRejected             4   the workflow asks for something impossible; every fault is listed
    ├── UnknownPack                2   ``--packs`` names a pack that is not installed
    └── JobFailed                  5   a node failed while running

A cancelled run ends with 130, as a program does that Ctrl-C ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """How the command line ends; scripts may rely on these."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    WORKFLOW_UNREADABLE = 3
    PROMPT_REJECTED = 4
    NODE_FAILED = 5
    CANCELLED = 130


class HostError(Exception):
    """Root of the host's own errors."""

    exit_code = ExitCode.FAILURE

    def as_json(self) -> dict[str, Any]:
        """The error as ``--json`` prints it."""
        return {"type": type(self).__name__, "message": str(self)}


class SettingsError(HostError):
    """Settings that can't be used, all of them at once."""

    exit_code = ExitCode.USAGE

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(self.problems)


class UnknownPack(HostError):
    """Packs that were asked for by name but are not there."""

    exit_code = ExitCode.USAGE

    def __init__(self, names: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(names, known)
        self.names, self.known = names, known

    def __str__(self) -> str:
        there = ", ".join(self.known) or "none"
        return f"no pack named {', '.join(self.names)} is installed; there are: {there}"


class WorkflowUnreadable(HostError):
    """A file that holds no workflow this host can read."""

    exit_code = ExitCode.WORKFLOW_UNREADABLE


class OverrideError(HostError):
    """``--set`` that can't be applied."""

    exit_code = ExitCode.WORKFLOW_UNREADABLE

    def __init__(self, override: str, problem: str) -> None:
        super().__init__(override, problem)
        self.override, self.problem = override, problem

    def __str__(self) -> str:
        return f"--set {self.override}: {self.problem}"


class PromptRejected(HostError):
    """A workflow that validation refused.

    Attributes:
        error: the overall error, in the web API's form.
        node_errors: the faults of each node, in the web API's form.
    """

    exit_code = ExitCode.PROMPT_REJECTED

    def __init__(self, error: Mapping[str, Any], node_errors: Mapping[str, Any]) -> None:
        super().__init__(error, node_errors)
        self.error, self.node_errors = error, node_errors

    def __str__(self) -> str:
        lines = [f"{self.error['message']} {self.error.get('details', '')}".strip()]
        for node_id, faults in self.node_errors.items():
            where = f"  node {node_id} ({faults['class_type']})"
            lines += [f"{where}: {fault['message']}: {fault['details']}" for fault in faults["errors"]]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        return {"type": type(self).__name__, "error": dict(self.error), "node_errors": dict(self.node_errors)}


class JobFailed(HostError):
    """A node failed.

    Attributes:
        facts: node id and type, exception type and message, traceback, as the web API reports them.
    """

    exit_code = ExitCode.NODE_FAILED

    def __init__(self, facts: Mapping[str, Any], pack: str, version: str) -> None:
        super().__init__(facts, pack, version)
        self.facts, self.pack, self.version = facts, pack, version

    def __str__(self) -> str:
        said = str(self.facts["exception_message"]).strip()
        kind = self.facts["exception_type"]
        reason = said if kind.endswith("NodeError") else f"{kind}: {said}"
        return f"node {self.facts['node_id']} ({self.facts['node_type']}, pack {self.pack} {self.version}): {reason}"

    def as_json(self) -> dict[str, Any]:
        return {"type": type(self).__name__, "pack": self.pack, "pack_version": self.version, **self.facts}
