"""The options that the client's commands share, and the client they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry_client.client import Client
    from registry_client.watching import Watcher
    from registry_client.workspace import Workspace

_WHERE = "Where things are"
_OUT = "What is printed"
_HOW = "How it is done"

BaseDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        envvar="COMFY_NODES_BASE_DIR",
        help="The host's base folder. Default: this folder, if it holds models.",
        rich_help_panel=_WHERE,
    ),
]
Registry = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]ADDRESS",
        envvar="COMFY_PACKS_REGISTRY",
        help="Instead of the registries in comfy-packs.toml; the first that has a pack is asked. May be repeated.",
        rich_help_panel=_WHERE,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        envvar="COMFY_PACKS_CACHE",
        help="For copies of indexes.",
        rich_help_panel=_WHERE,
    ),
]
FindLinks = Annotated[
    list[str] | None,
    typer.Option(metavar="FOLDER", help="With Python wheels. May be repeated.", rich_help_panel=_WHERE),
]
Offline = Annotated[
    bool | None,
    typer.Option("--offline", metavar="", help="Use what was fetched before.", rich_help_panel=_HOW),
]
DryRun = Annotated[bool, typer.Option("--dry-run", metavar="", help="Say what would change.", rich_help_panel=_HOW)]
NoImportCheck = Annotated[
    bool,
    typer.Option("--no-import-check", metavar="", help="Do not import the packs first.", rich_help_panel=_HOW),
]
AsJson = Annotated[
    bool, typer.Option("--json", metavar="", help="JSON on standard output, and nothing else.", rich_help_panel=_OUT)
]
LogLevel = Annotated[
    str, typer.Option(metavar="LEVEL", help="Messages to show: debug, info, warning or error.", rich_help_panel=_OUT)
]


def open_workspace(base_dir: Path | None, log_level: str) -> Workspace:
    """What is installed, for questions that need nothing else; much quicker than a client."""
    from registry_client.workspace import Workspace
    from sdk.terminal import start_logging
    from sdk.workspace import default_base_dir

    start_logging(log_level)
    return Workspace((base_dir or default_base_dir(Path.cwd())).absolute())


def open_client(
    base_dir: Path | None,
    registry: list[str] | None = None,
    cache_dir: Path | None = None,
    find_links: list[str] | None = None,
    offline: bool | None = None,
    log_level: str = "warning",
    *,
    pins: Mapping[str, str] | None = None,
    watcher: Watcher | None = None,
) -> Client:
    """The client that these options ask for, together with the settings file."""
    from platformdirs import user_cache_path, user_config_path

    from registry_client.client import Client
    from registry_client.settings import load_settings
    from sdk.terminal import start_logging
    from sdk.workspace import default_base_dir

    start_logging(log_level)
    settings = load_settings(
        (base_dir or default_base_dir(Path.cwd())).absolute(),
        cache_dir or user_cache_path("comfy-nodes", appauthor=False),
        user_config_path("comfy-nodes", appauthor=False),
        registries=registry or (),
        find_links=find_links or None,
        offline=offline,
    )
    return Client(settings, pins=pins, watcher=watcher)
