"""The registry that a command works on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry_server.command_options import Data, DatabaseUrl, S3Key, S3Secret, StorageUrl, open_parts

if TYPE_CHECKING:
    from registry_server.requests import Parts

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; users and the audit log see it.")]

__all__ = ["Data", "DatabaseUrl", "Json", "Reason", "S3Key", "S3Secret", "StorageUrl", "opened"]


@contextmanager
def opened(
    data: Path, database_url: str = "", storage: str = "", s3_key: str = "", s3_secret: str = ""
) -> Iterator[Parts]:
    """The parts of the registry, closed at the block's end."""
    from registry_server.settings import Settings

    parts = open_parts(
        Settings(data=data, database_url=database_url, storage_url=storage, s3_key=s3_key, s3_secret=s3_secret)
    )
    try:
        yield parts
    finally:
        parts.database.close()
