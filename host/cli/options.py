"""The options that several commands share, and the host they make."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdk.terminal import start_logging

if TYPE_CHECKING:
    from host.app import Host
    from host.settings import Settings

_WHERE = "Where things are"
_WHAT = "What is loaded"
_HOW = "How it computes"
_OUT = "What is printed"


def _some_packs(said: str | None) -> str | None:
    if said is not None and not said.replace(",", "").strip():
        raise typer.BadParameter("it names no pack; --safe-mode loads the built-ins alone")
    return said


BaseDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        help="Holds models, input, output. Default: this folder, if it holds models.",
        rich_help_panel=_WHERE,
    ),
]
ModelsDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        help="Holds checkpoints, loras, vae …",
        rich_help_panel=_WHERE,
    ),
]
OutputDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", file_okay=False, help="Where pictures are saved.", rich_help_panel=_WHERE),
]
InputDir = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", exists=True, file_okay=False, help="Where pictures are loaded from.", rich_help_panel=_WHERE
    ),
]
Packs = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Load only these packs beside the built-ins.",
        callback=_some_packs,
        rich_help_panel=_WHAT,
    ),
]
SafeMode = Annotated[
    bool | None, typer.Option("--safe-mode", metavar="", help="Load the built-ins alone.", rich_help_panel=_WHAT)
]
PackDir = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        help="A pack under development, or a folder of packs. May be repeated.",
        rich_help_panel=_WHAT,
    ),
]
Device = Annotated[str | None, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:1", rich_help_panel=_HOW)]
Dtype = Annotated[str | None, typer.Option(metavar="NAME", help="auto, fp32, fp16 or bf16", rich_help_panel=_HOW)]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile",
        metavar="",
        help="Compile for this machine what models repeat: the first steps take longer, the others less.",
        rich_help_panel=_HOW,
    ),
]
Vram = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Device memory for weights, such as 6GiB.", rich_help_panel=_HOW)
]
Cache = Annotated[
    str | None,
    typer.Option(metavar="CACHE", help="memory, memory:4GiB, lru:100, disk:/path or none", rich_help_panel=_HOW),
]
AsJson = Annotated[
    bool, typer.Option("--json", metavar="", help="JSON on standard output, and nothing else.", rich_help_panel=_OUT)
]
LogLevel = Annotated[
    str, typer.Option(metavar="LEVEL", help="Messages to show: debug, info, warning or error.", rich_help_panel=_OUT)
]


def open_host(log_level: str, *, without: Collection[str] | None = None, **flags: Any) -> Host:
    """The host that these flags ask for, together with the settings file and the environment.

    Args:
        without: hooks that the command has no need of; by default those that runs have no need of.
    """
    from host.app import NOT_FOR_RUNS, create_host

    start_logging(log_level)
    return create_host(read_settings(**flags), NOT_FOR_RUNS if without is None else without)


def read_settings(**flags: Any) -> Settings:
    """The settings that these flags ask for, together with the settings file and the environment."""
    from host.settings import load_settings

    given = {name: value for name, value in flags.items() if value not in (None, [])}
    return load_settings(given, dict(os.environ), Path.cwd())
