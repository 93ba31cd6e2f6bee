"""The options that every command shares, and the host they make."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from host.app import Host

_WHERE = "Where things are"
_WHAT = "What is loaded"
_HOW = "How it computes"

BaseDir = Annotated[
    Path | None,
    typer.Option(help="Folder with models, input, output. Default: here, if it has them.", rich_help_panel=_WHERE),
]
ModelsDir = Annotated[Path | None, typer.Option(help="Folder with checkpoints, loras, vae …", rich_help_panel=_WHERE)]
OutputDir = Annotated[Path | None, typer.Option(help="Where pictures are saved.", rich_help_panel=_WHERE)]
InputDir = Annotated[Path | None, typer.Option(help="Where pictures are loaded from.", rich_help_panel=_WHERE)]
Packs = Annotated[
    str | None, typer.Option(help="Load only these packs beside the built-ins: a,b", rich_help_panel=_WHAT)
]
SafeMode = Annotated[bool | None, typer.Option("--safe-mode", help="Load the built-ins alone.", rich_help_panel=_WHAT)]
PackDir = Annotated[
    list[Path] | None,
    typer.Option(help="A pack under development, or a folder of packs; may be repeated.", rich_help_panel=_WHAT),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:1", rich_help_panel=_HOW)]
Dtype = Annotated[str | None, typer.Option(help="auto, fp32, fp16 or bf16", rich_help_panel=_HOW)]
Vram = Annotated[str | None, typer.Option(help="Device memory for weights, such as 6GiB.", rich_help_panel=_HOW)]
Cache = Annotated[
    str | None, typer.Option(help="memory, memory:4GiB, lru:100, disk:/path or none", rich_help_panel=_HOW)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error")]


def open_host(log_level: str, **flags: Any) -> Host:
    """The host that these flags ask for, together with the settings file and the environment."""
    from host.app import create_host
    from host.settings import load_settings

    start_logging(log_level)
    if flags.get("pack_dirs") == []:
        flags["pack_dirs"] = None
    return create_host(load_settings(flags, _environment(), Path.cwd()))


def start_logging(level: str) -> None:
    """Log to standard error, one line a message."""
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        raise typer.BadParameter(f"{level!r} is no log level; there are debug, info, warning and error")
    logging.basicConfig(level=known[level.upper()], format="%(levelname)s %(name)s: %(message)s", force=True)


def _environment() -> Mapping[str, str]:
    return dict(os.environ)
