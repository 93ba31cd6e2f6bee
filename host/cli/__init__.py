"""The command line. Heavy modules are imported inside the commands, so that ``--help`` and lists are quick."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from host.cli.command_group import CommandGroup
from sdk.commands import CommandError, ExitCode
from sdk.terminal import say, say_error, stderr

app = typer.Typer(
    cls=CommandGroup,
    name="comfy-nodes",
    help="Run node graphs that make pictures and video, with the packs you choose.",
    epilog="Example: comfy-nodes run workflow.json --set 3.seed=42 --output-dir pictures",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"comfy-nodes {version('comfy-nodes')}")
        raise typer.Exit


@app.callback()
def comfy_nodes(
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """What holds for every command; ``--version`` is done by its callback."""


def main() -> None:
    """Run the command line; whatever goes wrong becomes a sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # File names and workflows may hold characters that a terminal can't show.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        sys.exit(_report_usage(error))
    except _ours() as error:
        from sdk.errors import Cancelled

        if isinstance(error, Cancelled):
            say(stderr(), str(error))
        else:
            say_error(str(error))
        facts = error.as_json() if isinstance(error, CommandError) else _plain_facts(type(error).__name__, str(error))
        code = exit_code(error)
        _print_json(code, facts)
    else:
        if code == ExitCode.CANCELLED:
            _print_json(code, _plain_facts("KeyboardInterrupt", "stopped at once by the user"))
    sys.exit(code)


def _ours() -> tuple[type[Exception], ...]:
    """The errors that are shown as a sentence. They are imported when something is wrong; lists do without."""
    from host.engine.errors import EngineError
    from host.workflow_files import WorkflowFileError
    from sdk.errors import SdkError

    return CommandError, SdkError, EngineError, WorkflowFileError


def exit_code(error: BaseException) -> ExitCode:
    """What the command line ends with after this error."""
    from host.engine.errors import BadCacheSetting, UnknownCache
    from host.engine.ui_format.errors import UiFormatError
    from host.workflow_files import WorkflowFileError
    from sdk.errors import Cancelled

    if isinstance(error, CommandError):
        return error.exit_code
    if isinstance(error, Cancelled):
        return ExitCode.CANCELLED
    if isinstance(error, UnknownCache | BadCacheSetting):
        return ExitCode.USAGE
    return ExitCode.WORKFLOW_UNREADABLE if isinstance(error, WorkflowFileError | UiFormatError) else ExitCode.FAILURE


def _report_usage(error: Any) -> int:
    from typer.rich_utils import rich_format_error

    rich_format_error(error)
    _print_json(ExitCode.USAGE, _plain_facts("UsageError", error.format_message()))
    return int(error.exit_code)


def _print_json(code: int, facts: dict[str, Any]) -> None:
    """With ``--json``, errors too are JSON on standard output; the sentence for people is on standard error."""
    if "--json" in sys.argv:
        state = "cancelled" if code == ExitCode.CANCELLED else "failed"
        print(json.dumps({"state": state, "error": facts}, indent=2, default=repr))


def _plain_facts(kind: str, message: str) -> dict[str, Any]:
    return {"type": kind, "message": message}
