"""What every command of ``comfy-nodes`` shares: how it ends, and how it says what went wrong.

Commands come from the entry point group ``comfy_nodes.commands``: the name is the command's, the object a function
with typer's annotations or a ``typer.Typer``. The command line imports one only when it is called or its help is
listed, so a command costs the others nothing.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

COMMANDS_GROUP = "comfy_nodes.commands"


class ExitCode(IntEnum):
    """How the command line ends; scripts may rely on these. ``docs/command_line.md`` says more."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    WORKFLOW_UNREADABLE = 3
    PROMPT_REJECTED = 4
    NODE_FAILED = 5
    NOT_FOUND = 6
    CONFLICT = 7
    DUPLICATE_NODES = 8
    INTEGRITY = 9
    UNREACHABLE = 10
    REFUSED = 11
    CHECK_FAILED = 12
    BUSY = 13
    LOCK_DIFFERS = 14
    CANCELLED = 130


class CommandError(Exception):
    """Root of the errors that a command shows as a sentence and ends with a code of its own."""

    exit_code = ExitCode.FAILURE

    def as_json(self) -> dict[str, Any]:
        """The error as ``--json`` prints it."""
        return {"type": type(self).__name__, "message": str(self)}
