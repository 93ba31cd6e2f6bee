"""``comfy-nodes serve``: the host as a server."""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from host.cli import options
from host.quantities import parse_bytes
from sdk import terminal

if TYPE_CHECKING:
    pass

HELP = "Serve the web API, and the graph editor in the browser where it is installed."
EXAMPLE = "Example: comfy-nodes serve --port 8188 --base-dir ~/pictures"
_REACH = "How it is reached"

Listen = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.", rich_help_panel=_REACH)]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any that is free.", rich_help_panel=_REACH)]
Cors = Annotated[
    str | None,
    typer.Option(
        "--enable-cors-header",
        metavar="ORIGIN",
        help="Let pages of this origin in; * for any.",
        rich_help_panel=_REACH,
    ),
]
MaxUpload = Annotated[
    str,
    typer.Option("--max-upload-size", metavar="SIZE", help="The largest body of a request.", rich_help_panel=_REACH),
]
AllowPublic = Annotated[
    bool,
    typer.Option(
        "--allow-public",
        metavar="",
        help="Allow addresses that are not loopback: anybody there can run nodes.",
        rich_help_panel=_REACH,
    ),
]
Requeue = Annotated[
    bool, typer.Option("--requeue", metavar="", help="Run jobs again that were running when the host last ended.")
]


def serve(
    listen: Listen = "127.0.0.1",
    port: Port = 8188,
    enable_cors_header: Cors = None,
    max_upload_size: MaxUpload = "100MiB",
    allow_public: AllowPublic = False,
    requeue: Requeue = False,
    base_dir: options.BaseDir = None,
    models_dir: options.ModelsDir = None,
    input_dir: options.InputDir = None,
    output_dir: options.OutputDir = None,
    packs: options.Packs = None,
    safe_mode: options.SafeMode = None,
    pack_dir: options.PackDir = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    vram: options.Vram = None,
    cache: options.Cache = None,
    log_level: options.LogLevel = "info",
) -> None:
    from host.api.server_settings import ServerSettings

    _check_address(listen, allowed=allow_public)
    settings = ServerSettings(
        listen=listen,
        port=port,
        cors_origin=enable_cors_header,
        max_upload_bytes=_bytes(max_upload_size),
        argv=tuple(sys.argv),
        requeue=requeue,
    )
    host = options.open_host(
        log_level,
        base_dir=base_dir,
        models_dir=models_dir,
        input_dir=input_dir,
        output_dir=output_dir,
        packs=packs,
        safe_mode=safe_mode,
        pack_dirs=pack_dir,
        device=device,
        dtype=dtype,
        vram=vram,
        cache=cache,
    )
    from host.api.app import create_app
    from host.api.server import serve as run_server

    run_server(create_app(host, settings), settings, _say_ready)


def _say_ready(address: str) -> None:
    """The line that launchers wait for; the first part must stay as it is."""
    print(f"To see the GUI go to: {address}", flush=True)


def _check_address(listen: str, *, allowed: bool) -> None:
    try:
        loopback = listen == "localhost" or ipaddress.ip_address(listen).is_loopback
    except ValueError:
        loopback = False
    if loopback:
        return
    if not allowed:
        raise typer.BadParameter(
            f"{listen} can be reached by others, and whoever reaches this server can run nodes and read its files. "
            "Give --allow-public if that is meant.",
            param_hint="--listen",
        )
    terminal.say(terminal.stderr(), f"Warning: anybody who can reach {listen} can run nodes here and read its files.")


def _bytes(size: str) -> int:
    try:
        return parse_bytes(size)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--max-upload-size") from error
