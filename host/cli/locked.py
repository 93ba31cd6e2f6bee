"""``comfy-nodes run --locked``: only with the packs that made the picture, which it can bring back first."""

from __future__ import annotations

import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

from host.cli.command_group import find_command
from host.provenance import KEY, OtherPacks, check_same, record_of
from host.workflow_files import WorkflowFile
from sdk import terminal
from sdk.workspace import read_generation

INSTALLER = "sync"
"""The command that installs what a record says."""


def check_locked(
    path: Path, read: WorkflowFile, base_dir: Path, *, install: bool, may_ask: bool, log_level: str
) -> None:
    """Make sure that what is installed made this file; bring it back if that is asked for, or agreed to.

    Args:
        install: bring it back without asking.
        may_ask: there is somebody to ask.

    Raises:
        NoRecord: the file does not say what made it.
        OtherPacks: something else is installed.
        CommandError: it can't be brought back; nothing was changed.
    """
    record = read.extra_pnginfo.get(KEY)
    try:
        check_same(record, record_of(read_generation(base_dir)), path)
    except OtherPacks as error:
        command = find_command(INSTALLER) if install or (may_ask and _agreed(error)) else None
        if command is None:
            raise
        _bring_back(command, path, record, base_dir, log_level)


def _agreed(error: OtherPacks) -> bool:
    for line in error.differences:
        terminal.say(terminal.stderr(), f"  {line}")
    return typer.confirm("Other packs made this. Install those now?", err=True)


def _bring_back(command: Any, path: Path, record: Any, base_dir: Path, log_level: str) -> None:
    """What it prints goes to standard error: standard output is for what the run gives."""
    import json

    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as folder, redirect_stdout(sys.stderr):
        wanted = Path(folder) / f"{path.name}.json"
        wanted.write_text(json.dumps(record), encoding="utf-8")
        options = ["--base-dir", str(base_dir), "--log-level", log_level]
        command.main([str(wanted), *options], prog_name=INSTALLER, standalone_mode=False)
