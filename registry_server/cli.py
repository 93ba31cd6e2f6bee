"""``comfy-nodes registry``: serve a registry, export it, mirror another one, look after it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry_server.admin import app as admin
from registry_server.command_options import (
    Data,
    DatabaseUrl,
    LogFormat,
    LogLevel,
    Name,
    S3Key,
    S3Secret,
    StorageUrl,
    open_parts,
)
from sdk import terminal

if TYPE_CHECKING:
    from registry_server.settings import Settings

app = typer.Typer(
    help="Serve a registry of node packs, export it as files, mirror another one.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(admin, name="admin")

_REACH = "How it is reached"
_RULES = "What it takes in"

Listen = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", envvar="COMFY_REGISTRY_LISTEN", help="Address to listen on.", rich_help_panel=_REACH
    ),
]
Port = Annotated[
    int,
    typer.Option(
        min=0, max=65535, envvar="COMFY_REGISTRY_PORT", help="Port; 0 for any that is free.", rich_help_panel=_REACH
    ),
]
PublicUrl = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="COMFY_REGISTRY_PUBLIC_URL",
        help="The registry's address as clients see it, where a proxy stands before it.",
        rich_help_panel=_REACH,
    ),
]
MaxArchive = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="MiB",
        envvar="COMFY_REGISTRY_MAX_ARCHIVE",
        help="Size of the largest archive.",
        rich_help_panel=_RULES,
    ),
]
ReviewOption = Annotated[
    str,
    typer.Option(
        metavar="none|first|all",
        envvar="COMFY_REGISTRY_REVIEW",
        help="Which releases wait for an admin: none, a pack's first, or all.",
        rich_help_panel=_RULES,
    ),
]
Issuers = Annotated[
    list[str] | None,
    typer.Option(
        "--oidc-issuer",
        metavar="URL",
        envvar="COMFY_REGISTRY_OIDC_ISSUERS",
        help="Accept identity tokens of this issuer for trusted publishing. May be repeated.",
        rich_help_panel=_RULES,
    ),
]
WritesPerMinute = Annotated[
    int,
    typer.Option(
        envvar="COMFY_REGISTRY_WRITES_PER_MINUTE",
        help="How often one client may write; 0 for no limit.",
        rich_help_panel=_RULES,
    ),
]


@app.command(epilog="Example: comfy-nodes registry serve --data /srv/registry --port 8080")
def serve(
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
    storage: StorageUrl = "",
    s3_key: S3Key = "",
    s3_secret: S3Secret = "",
    listen: Listen = "127.0.0.1",
    port: Port = 8080,
    public_url: PublicUrl = "",
    name: Name = "comfy-nodes registry",
    max_archive: MaxArchive = 512,
    review: ReviewOption = "none",
    oidc_issuer: Issuers = None,
    writes_per_minute: WritesPerMinute = 120,
    log_level: LogLevel = "info",
    log_format: LogFormat = "text",
) -> None:
    """Serve a registry. An empty folder is enough: it becomes one."""
    from registry_server.serving import serve as run_server
    from registry_server.settings import MEBIBYTE, Review, Settings

    if review not in list(Review):
        raise typer.BadParameter(f"{review!r} is none of {', '.join(Review)}", param_hint="--review")
    settings = Settings(
        data=data,
        database_url=database_url,
        storage_url=storage,
        s3_key=s3_key,
        s3_secret=s3_secret,
        listen=listen,
        port=port,
        public_url=public_url,
        name=name,
        max_archive_bytes=max_archive * MEBIBYTE,
        review=Review(review),
        oidc_issuers=tuple(oidc_issuer or ()),
        writes_per_minute=writes_per_minute,
    )
    _start_logging(log_level, log_format)
    run_server(open_parts(settings), _say_ready)


@app.command(epilog="Example: comfy-nodes registry export /srv/www/registry")
def export(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into; files that are right stay.")],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
    storage: StorageUrl = "",
    s3_key: S3Key = "",
    s3_secret: S3Secret = "",
    name: Name = "comfy-nodes registry",
    archives: Annotated[bool, typer.Option(help="Write the archives, too.")] = True,
) -> None:
    """Write index and archives as files that any web server, or file://, can serve."""
    from registry_server.index.export import export as write

    settings = _settings(data, database_url, storage, s3_key, s3_secret, name)
    parts = open_parts(settings)
    report = write(parts.database, parts.storage, name, target, archives=archives)
    parts.database.close()
    say = terminal.stdout()
    terminal.say(say, f"wrote {report.packs} packs up to serial {report.serial}, {report.archives} new archives")
    for missing in report.missing:
        terminal.say(terminal.stderr(), f"missing in the storage: {missing}")


@app.command(epilog="Example: comfy-nodes registry mirror https://registry.example")
def mirror(
    url: Annotated[str, typer.Argument(metavar="URL", help="Root of the registry to mirror.")],
    data: Data = Path("registry"),
    database_url: DatabaseUrl = "",
    storage: StorageUrl = "",
    s3_key: S3Key = "",
    s3_secret: S3Secret = "",
    archives: Annotated[bool, typer.Option(help="Bring all archives now, not when they are asked for.")] = False,
) -> None:
    """Bring another registry's packs here; run it again for what has changed since."""
    parts = open_parts(_settings(data, database_url, storage, s3_key, s3_secret))
    report = parts.mirror.sync(url)
    pulled = parts.mirror.pull_all() if archives else 0
    parts.database.close()
    say = terminal.stdout()
    told = f"{report.packs} packs, {report.releases} new versions, up to serial {report.serial}"
    terminal.say(say, f"{told}; {pulled} archives" if archives else told)
    for slug in report.skipped:
        terminal.say(terminal.stderr(), f"skipped {slug}: this registry has a pack of that name itself")


def _settings(
    data: Path, database_url: str, storage: str, s3_key: str, s3_secret: str, name: str = "comfy-nodes registry"
) -> Settings:
    from registry_server.settings import Settings

    return Settings(
        data=data, database_url=database_url, storage_url=storage, s3_key=s3_key, s3_secret=s3_secret, name=name
    )


def _start_logging(level: str, form: str) -> None:
    if form == "json":
        from registry_server.operations.logs import start_json_logging

        start_json_logging(level)
    else:
        terminal.start_logging(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _say_ready(address: str) -> None:
    print(f"registry ready: {address}", flush=True)
