"""``comfy-nodes serve``: the host as a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from host.cli import options
from sdk import terminal

if TYPE_CHECKING:
    from host.settings import Settings

HELP = "Serve the web API, and the graph editor in the browser where it is installed."
EXAMPLE = "Example: comfy-nodes serve --port 8188 --base-dir ~/pictures"
_REACH = "How it is reached"
_JOBS = "How jobs are treated"

Listen = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Address to listen on. Default: 127.0.0.1.", rich_help_panel=_REACH),
]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port; 0 for any that is free. Default: 8188.", rich_help_panel=_REACH),
]
Cors = Annotated[
    str | None,
    typer.Option(
        "--enable-cors-header",
        metavar="ORIGIN",
        help="Let pages of this origin in; * for any.",
        rich_help_panel=_REACH,
    ),
]
AllowedHosts = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Names by which the server may be addressed, beside localhost and addresses; for a proxy before it.",
        rich_help_panel=_REACH,
    ),
]
MaxUpload = Annotated[
    str | None,
    typer.Option(
        "--max-upload-size",
        metavar="SIZE",
        help="The largest body of a request. Default: 100MiB.",
        rich_help_panel=_REACH,
    ),
]
ApiKeyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Let in only requests with a key of this file; `comfy-nodes api-key` adds one.",
        rich_help_panel=_REACH,
    ),
]
AllowPublic = Annotated[
    bool | None,
    typer.Option(
        "--allow-public",
        metavar="",
        help="Allow addresses that are not loopback without a key: anybody there can run nodes.",
        rich_help_panel=_REACH,
    ),
]
MultiUser = Annotated[
    bool | None,
    typer.Option(
        "--multi-user", metavar="", help="Keep each user's workflows and settings apart.", rich_help_panel=_REACH
    ),
]
Requeue = Annotated[
    bool | None,
    typer.Option(
        "--requeue", metavar="", help="Run jobs again that ran when the host last ended.", rich_help_panel=_JOBS
    ),
]
HistorySize = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="How many ended jobs are kept. Default: 10000.", rich_help_panel=_JOBS),
]
Preview = Annotated[
    str | None,
    typer.Option(
        metavar="METHOD",
        help="Pictures while sampling: none, auto, latent2rgb or taesd. Default: none.",
        rich_help_panel=_JOBS,
    ),
]


def serve(
    listen: Listen = None,
    port: Port = None,
    enable_cors_header: Cors = None,
    allowed_hosts: AllowedHosts = None,
    max_upload_size: MaxUpload = None,
    api_key_file: ApiKeyFile = None,
    allow_public: AllowPublic = None,
    multi_user: MultiUser = None,
    requeue: Requeue = None,
    history_size: HistorySize = None,
    preview: Preview = None,
    base_dir: options.BaseDir = None,
    models_dir: options.ModelsDir = None,
    input_dir: options.InputDir = None,
    output_dir: options.OutputDir = None,
    packs: options.Packs = None,
    safe_mode: options.SafeMode = None,
    pack_dir: options.PackDir = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    compile: options.Compile = None,
    vram: options.Vram = None,
    cache: options.Cache = None,
    log_level: options.LogLevel = "info",
) -> None:
    from host.api.server_settings import server_settings
    from host.app import create_host

    terminal.start_logging(log_level)
    settings = options.read_settings(
        listen=listen,
        port=port,
        cors_origin=enable_cors_header,
        allowed_hosts=allowed_hosts,
        max_upload_size=max_upload_size,
        api_key_file=api_key_file,
        allow_public=allow_public,
        multi_user=multi_user,
        requeue=requeue,
        history_size=history_size,
        preview=preview,
        base_dir=base_dir,
        models_dir=models_dir,
        input_dir=input_dir,
        output_dir=output_dir,
        packs=packs,
        safe_mode=safe_mode,
        pack_dirs=pack_dir,
        device=device,
        dtype=dtype,
        compile=compile,
        vram=vram,
        cache=cache,
    )
    check_address(settings)
    from host.api.server import bind
    from host.api.server import serve as run_server

    with bind(settings.listen, settings.port) as listening:
        from host.api.app import create_app

        app = create_app(create_host(settings), server_settings(settings, tuple(sys.argv)))
        run_server(app, listening, _say_ready)


def _say_ready(address: str) -> None:
    """The line that launchers wait for; the first part must stay as it is."""
    print(f"To see the GUI go to: {address}", flush=True)


def check_address(settings: Settings) -> None:
    """Refuse, or warn of, a server that strangers can reach without a key.

    Raises:
        typer.BadParameter: the address is not loopback, no key is asked for, and nobody said that this is meant.
    """
    from host.api.access.guards import is_loopback

    listen = settings.listen
    if is_loopback(listen) or settings.api_key_file is not None:
        return
    if not settings.allow_public:
        raise typer.BadParameter(
            f"{listen} can be reached by others, and whoever reaches this server can run nodes and read its files. "
            "Give --api-key-file to ask for keys, or --allow-public if everybody is meant.",
            param_hint="--listen",
        )
    terminal.say(terminal.stderr(), f"Warning: anybody who can reach {listen} can run nodes here and read its files.")
