"""Errors of the host program itself, and the exit code each one ends the command line with.

    HostError                      1
    ├── SettingsError              2   a flag, a variable or a line of the settings file is unusable
    ├── OverrideError              3   ``--set`` names an input that isn't there
    ├── PromptRejected             4   the workflow asks for something impossible; every fault is listed
    ├── UnknownPack                2   ``--packs`` names a pack that is not installed
    ├── UnknownRunner              2   the setting ``runner`` names none that there is
    ├── RunnerFailed               5   a runner gave the job back without success
    └── JobFailed                  5   a node failed while running

A file that holds no workflow, or a broken one, ends with 3 as well (``workflow_files.WorkflowFileError``,
``engine.ui_format_errors.UiFormatError``). A cancelled run ends with 130, as a program does that Ctrl-C ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sdk.commands import CommandError, ExitCode

if TYPE_CHECKING:
    from host.engine.events import NodeFailed


class HostError(CommandError):
    """Root of the host's own errors."""


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


class OverrideError(HostError):
    """``--set`` that can't be applied."""

    exit_code = ExitCode.WORKFLOW_UNREADABLE

    def __init__(self, override: str, problem: str) -> None:
        super().__init__(override, problem)
        self.override, self.problem = override, problem

    def __str__(self) -> str:
        return f"--set {self.override}: {self.problem}"


class UnknownRunner(HostError):
    """No runner answers to this setting."""

    exit_code = ExitCode.USAGE

    def __init__(self, spec: str) -> None:
        super().__init__(spec)
        self.spec = spec

    def __str__(self) -> str:
        return f"no runner answers to the setting {self.spec!r}; built in is 'local'"


class RunnerFailed(HostError):
    """A job ended without success, and no node is known to have failed."""

    exit_code = ExitCode.NODE_FAILED

    def __init__(self, runner: str, state: str, reason: str | None) -> None:
        super().__init__(runner, state, reason)
        self.runner, self.state, self.reason = runner, state, reason

    def __str__(self) -> str:
        return f"the runner {self.runner!r} ended the job as {self.state}: {self.reason or 'it gave no reason'}"


class PromptRejected(HostError):
    """A workflow that validation refused.

    Attributes:
        error: the overall error, in the web API's form.
        node_errors: the faults of each node, in the web API's form.
        cycle: ids of the nodes along a circle of links; empty if there is none.
    """

    exit_code = ExitCode.PROMPT_REJECTED

    def __init__(self, error: Mapping[str, Any], node_errors: Mapping[str, Any], cycle: Sequence[str] = ()) -> None:
        super().__init__(error, node_errors, cycle)
        self.error, self.node_errors, self.cycle = error, node_errors, tuple(cycle)

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
        failure: node id and type, exception type and message, traceback.
        pack, version: whose node it is.
    """

    exit_code = ExitCode.NODE_FAILED

    def __init__(self, failure: NodeFailed, pack: str, version: str) -> None:
        super().__init__(failure, pack, version)
        self.failure, self.pack, self.version = failure, pack, version

    def __str__(self) -> str:
        failure, message = self.failure, self.failure.message.strip()
        # Errors of our own are sentences for the user; a stranger's need their type to be understood.
        reason = message if failure.for_users else f"{failure.error_type}: {message}"
        return f"node {failure.node.real_id} ({failure.node_type}, pack {self.pack} {self.version}): {reason}"

    def as_json(self) -> dict[str, Any]:
        failure = self.failure
        return {
            "type": type(self).__name__,
            "message": str(self),
            "node_id": failure.node.real_id,
            "node_type": failure.node_type,
            "pack": self.pack,
            "pack_version": self.version,
            "exception_type": failure.error_type,
            "exception_message": failure.message,
            "traceback": list(failure.traceback),
        }
