"""The top of the command line: the host's own commands, and those that other parts bring by entry point."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

from sdk.commands import COMMANDS_GROUP, CommandError, ExitCode


class CommandUnavailable(CommandError):
    """A command needs a library that an extra of this distribution brings."""

    exit_code = ExitCode.USAGE

    def __init__(self, command: str, module: str) -> None:
        super().__init__(command, module)
        self.command = command
        self.module = module

    def __str__(self) -> str:
        return (
            f"`comfy-nodes {self.command}` needs the Python package that brings {self.module!r}, which is not "
            "installed; run: pip install 'comfy-nodes[all]'"
        )


class CommandGroup(TyperGroup):
    """Imports a command from its entry point when it is called, or when the list of commands is shown."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Own commands first, then the others by name."""
        return [*super().list_commands(ctx), *sorted(set(_entry_points()) - set(self.commands))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, ``None`` where there is none.

        Raises:
            CommandUnavailable: a library is missing that it imports.
        """
        own = super().get_command(ctx, cmd_name)
        entry = _entry_points().get(cmd_name)
        if own is None and entry is None:
            from host.cli.pack_commands import pack_command

            function = pack_command(cmd_name)
            return None if function is None else _as_command(cmd_name, function)
        if own is not None or entry is None:
            return own
        try:
            found = entry.load()
        except ModuleNotFoundError as error:
            raise CommandUnavailable(cmd_name, error.name or "?") from error
        return _as_command(cmd_name, found)


def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=COMMANDS_GROUP)}


def _as_command(name: str, found: Any) -> Any:
    command: Any
    if isinstance(found, typer.Typer):
        command = typer.main.get_group(found)
    else:
        alone = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]}, pretty_exceptions_enable=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command
