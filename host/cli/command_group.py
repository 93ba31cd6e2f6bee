"""The top of the command line: the host's own commands, and those that other parts bring by entry point."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from typer import TyperException
from typer.core import TyperGroup

from host.cli.own_commands import OWN, as_command
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
    """Imports a command when it is called, or when the list of commands is shown."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Own commands first, then the others by name."""
        return [*OWN, *sorted(set(_entry_points()) - set(OWN))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, ``None`` where there is none.

        Raises:
            CommandUnavailable: a library is missing that it imports.
        """
        found = OWN[cmd_name]() if cmd_name in OWN else find_command(cmd_name)
        if found is not None:
            return found
        from host.cli.pack_commands import pack_command

        function = pack_command(cmd_name)
        return None if function is None else as_command(cmd_name, function)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments begin with; what is said of an unknown one names those like it."""
        try:
            return super().resolve_command(ctx, args)
        except TyperException as error:  # typer itself looks among commands that are loaded already
            if alike := get_close_matches(args[0], self.list_commands(ctx)):
                error.message = f"{error.message.rstrip('.')}. Did you mean {', '.join(map(repr, alike))}?"
            raise


def find_command(name: str) -> Any:
    """The command of this name that another part brings, ``None`` where none does.

    Raises:
        CommandUnavailable: a library is missing that it imports.
    """
    entry = _entry_points().get(name)
    if entry is None:
        return None
    try:
        return as_command(name, entry.load())
    except ModuleNotFoundError as error:
        raise CommandUnavailable(name, error.name or "?") from error


def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=COMMANDS_GROUP)}
