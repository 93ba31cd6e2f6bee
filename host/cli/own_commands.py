"""The host's own commands; each is imported when it is named, so that one costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import typer
import typer.main

_HELP = {"help_option_names": ["-h", "--help"]}


def as_command(name: str, found: Any, **facts: Any) -> Any:
    """A function with typer's annotations, or a ``typer.Typer``, as a command of this name.

    Args:
        facts: as ``typer.Typer.command`` takes them: ``help``, ``epilog``.
    """
    command: Any
    if isinstance(found, typer.Typer):
        command = typer.main.get_group(found)
    else:
        alone = typer.Typer(context_settings=_HELP, pretty_exceptions_enable=False, add_completion=False)
        alone.command(name, **facts)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command


def _run() -> Any:
    from host.cli import run

    return as_command("run", run.run, help=run.HELP, epilog=run.EXAMPLE)


def _serve() -> Any:
    from host.cli import serve

    return as_command("serve", serve.serve, help=serve.HELP, epilog=serve.EXAMPLE)


def _nodes() -> Any:
    from host.cli import nodes

    return as_command("nodes", nodes.app)


def _models() -> Any:
    from host.cli import models

    return as_command("models", models.models)


def _api_key() -> Any:
    from host.cli import api_key

    return as_command("api-key", api_key.api_key, epilog=api_key.EXAMPLE)


OWN: Mapping[str, Callable[[], Any]] = {
    "run": _run,
    "serve": _serve,
    "nodes": _nodes,
    "models": _models,
    "api-key": _api_key,
}
"""What makes each of them, in the order in which they are listed."""
