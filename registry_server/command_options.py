"""Options that several commands share: where a registry's data is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from registry_server.requests import Parts
    from registry_server.settings import Settings

_DATA = "Where its data is"

Data = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        envvar="COMFY_REGISTRY_DATA",
        help="Folder of the database, the archives and the secret.",
        rich_help_panel=_DATA,
    ),
]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="COMFY_REGISTRY_DATABASE_URL",
        help="postgresql://user:password@host/name; an SQLite file in the folder by default.",
        rich_help_panel=_DATA,
        show_default=False,
    ),
]
StorageUrl = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="COMFY_REGISTRY_STORAGE",
        help="file:///folder or s3://bucket/prefix?endpoint=https://host&region=…; in the folder by default.",
        rich_help_panel=_DATA,
        show_default=False,
    ),
]
S3Key = Annotated[
    str,
    typer.Option(
        envvar=["COMFY_REGISTRY_S3_KEY", "AWS_ACCESS_KEY_ID"],
        help="Access key of the storage.",
        rich_help_panel=_DATA,
        show_default=False,
    ),
]
S3Secret = Annotated[
    str,
    typer.Option(
        envvar=["COMFY_REGISTRY_S3_SECRET", "AWS_SECRET_ACCESS_KEY"],
        help="Its secret; better given in the environment.",
        rich_help_panel=_DATA,
        show_default=False,
    ),
]
Name = Annotated[
    str, typer.Option(metavar="TEXT", envvar="COMFY_REGISTRY_NAME", help="What clients call this registry.")
]
LogLevel = Annotated[
    str, typer.Option(metavar="LEVEL", envvar="COMFY_REGISTRY_LOG_LEVEL", help="debug, info, warning or error.")
]
LogFormat = Annotated[
    str, typer.Option(metavar="text|json", envvar="COMFY_REGISTRY_LOG_FORMAT", help="Log lines for people or machines.")
]


def open_parts(settings: Settings) -> Parts:
    """The registry's parts; its database is made or brought up to date."""
    from registry_server.app import create_parts

    return create_parts(settings)
