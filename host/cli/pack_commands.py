"""Commands that packs register: the packs are loaded when a name is asked for that nobody else knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from host.cli.options import read_settings


def pack_command(name: str) -> Callable[..., Any] | None:
    """The function or ``typer.Typer`` of that command; None if no pack has it.

    Packs that fail to load are named in the log.
    """
    from host.app import create_host
    from host.plugins import hook_names

    registry = create_host(read_settings(), hook_names() - {"register_commands"}).registry
    return next((command.function for _, command in registry.contributions("commands") if command.name == name), None)
