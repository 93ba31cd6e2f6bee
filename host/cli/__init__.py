"""The command line. Heavy modules are imported inside the commands, so that ``--help`` and lists are quick."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import typer
from rich.console import Console

from host.cli import models, nodes, run
from host.engine.errors import EngineError
from host.engine.ui_format_errors import UiFormatError
from host.errors import ExitCode, HostError
from host.workflow_files import WorkflowFileError
from sdk.errors import Cancelled, SdkError

app = typer.Typer(
    name="comfy-nodes",
    help="Run node graphs that make pictures and video, with the packs you choose.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.add_typer(nodes.app, name="nodes")
app.command("models")(models.models)


def main() -> None:
    """Run the command line; whatever goes wrong becomes a sentence and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.CANCELLED)
    except (HostError, SdkError, EngineError, WorkflowFileError) as error:
        _fail(error)


def exit_code(error: BaseException) -> ExitCode:
    """What the command line ends with after this error."""
    if isinstance(error, HostError):
        return error.exit_code
    if isinstance(error, Cancelled):
        return ExitCode.CANCELLED
    return ExitCode.WORKFLOW_UNREADABLE if isinstance(error, WorkflowFileError | UiFormatError) else ExitCode.FAILURE


def _fail(error: BaseException) -> NoReturn:
    code = exit_code(error)
    Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    if "--json" in sys.argv:
        facts = error.as_json() if isinstance(error, HostError) else _plain_facts(error)
        state = "cancelled" if code is ExitCode.CANCELLED else "failed"
        print(json.dumps({"state": state, "error": facts}, indent=2))
    sys.exit(code)


def _plain_facts(error: BaseException) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}
