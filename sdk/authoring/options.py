"""What the commands that speak to a registry share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from sdk import terminal
from sdk.authoring.errors import NoToken
from sdk.authoring.tokens import TOKEN_VARIABLE, TokenStore, default_store

_WHERE = "Which registry"

Registry = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        envvar="COMFY_PACKS_REGISTRY",
        help="The registry's address, or its name in comfy-packs.toml. Default: the first one there.",
        rich_help_panel=_WHERE,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="COMFY_PACKS_TOKEN_FILE",
        help="Where tokens are kept, instead of the system's keyring or the user's configuration folder.",
        rich_help_panel=_WHERE,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
PackName = Annotated[str, typer.Argument(metavar="PACK", help="The pack's name.", show_default=False)]


def token_for(registry: str, file: Path | None) -> str:
    """The token of the environment, or the one that ``login`` kept.

    Raises:
        NoToken: there is none.
    """
    return known_token(registry, default_store(file)) or _missing(registry)


def known_token(registry: str, store: TokenStore) -> str | None:
    """The token of the environment, or the one in the store."""
    return os.environ.get(TOKEN_VARIABLE, "").strip() or store.get(registry)


def _missing(registry: str) -> str:
    raise NoToken(registry)


def report(result: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    """Print what was done, for programs or for people."""
    if as_json:
        terminal.print_json(result, indent=1)
    else:
        terminal.say(terminal.stdout(), sentence)
