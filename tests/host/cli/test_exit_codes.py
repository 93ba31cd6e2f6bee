"""The documented exit codes are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

from host.cli import exit_code
from host.engine.errors import UnknownCache
from host.engine.ui_format.errors import EndlessLinks
from host.errors import OverrideError, SettingsError
from host.workflow_files import NoWorkflow
from sdk.commands import ExitCode
from sdk.errors import Cancelled, NodeError
from tests.host.cli.conftest import Command

PAGE = Path(__file__).parents[3] / "docs" / "command_line.md"


def test_the_page_lists_every_exit_code_and_no_other() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(code) for code, name in rows} == {code.name: code.value for code in ExitCode}


def test_errors_end_with_the_code_of_their_kind() -> None:
    errors = {
        SettingsError(["x"]): ExitCode.USAGE,
        UnknownCache("x"): ExitCode.USAGE,
        OverrideError("x", "y"): ExitCode.WORKFLOW_UNREADABLE,
        NoWorkflow(Path("x"), "y"): ExitCode.WORKFLOW_UNREADABLE,
        EndlessLinks("1", "x"): ExitCode.WORKFLOW_UNREADABLE,
        Cancelled(): ExitCode.CANCELLED,
        NodeError("x"): ExitCode.FAILURE,
    }
    assert {error: exit_code(error) for error in errors} == errors


def test_the_version_is_printed(command: Command) -> None:
    assert re.fullmatch(r"comfy-nodes \d+\.\d+\.\d+\n", command("--version").out)


def test_help_comes_in_groups_with_an_example(command: Command) -> None:
    shown = command("run", "--help").out
    assert all(title in shown for title in ("Where things are", "What is loaded", "How it computes"))
    assert "Example: comfy-nodes run workflow.json" in shown


def test_without_a_command_there_is_help(command: Command) -> None:
    ended = command()
    assert ended.code == 2
    assert "models" in ended.out + ended.err


def test_a_wrong_option_is_json_too(command: Command) -> None:
    ended = command("run", "workflow.json", "--bogus", "--json")
    assert ended.code == 2
    assert ended.json == {"state": "failed", "error": {"type": "UsageError", "message": "No such option: --bogus"}}


def test_a_wrong_setting_is_named(command: Command) -> None:
    (command.base / "comfy-nodes.toml").write_text('device = "toaster"\n')
    ended = command("nodes")
    assert ended.code == 2
    assert "device = 'toaster': expected one of auto, cpu, cuda" in ended.err
