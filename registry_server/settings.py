"""What an operator decides, built once and passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MEBIBYTE = 2**20


class Review(StrEnum):
    """Which releases wait as ``pending`` until an admin lets them through."""

    NONE = "none"
    FIRST = "first"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One registry's settings.

    Attributes:
        data: folder of the database, the archives and the secret, unless they are elsewhere.
        database_url: SQLAlchemy's form; "" for an SQLite file in ``data``.
        storage_url: ``file:///…`` or ``s3://bucket/prefix?endpoint=…&region=…``; "" for a folder in ``data``.
        s3_key, s3_secret: credentials of the storage; "" for those of the environment's provider.
        public_url: root address as clients see it; "" takes it from each request.
        name: what clients call this registry in messages.
        max_archive_bytes: largest archive.
        upload_seconds: how long an upload address is valid.
        review: which releases wait for an admin.
        oidc_issuers: whose identity tokens are accepted for trusted publishing.
        oidc_audience: the audience they must name; "" for the public address.
        host_ranges: versions of the host's own packages (``{"numpy": ">=2"}``); packs may not contradict them.
        writes_per_minute, failed_logins_per_minute: limits for one client.
        channel: serve the files ComfyUI-Manager reads.
    """

    data: Path
    database_url: str = ""
    storage_url: str = ""
    s3_key: str = ""
    s3_secret: str = ""
    listen: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    name: str = "comfy-nodes registry"
    max_archive_bytes: int = 512 * MEBIBYTE
    upload_seconds: int = 900
    review: Review = Review.NONE
    oidc_issuers: tuple[str, ...] = ()
    oidc_audience: str = ""
    host_ranges: Mapping[str, str] = field(default_factory=dict)
    writes_per_minute: int = 120
    failed_logins_per_minute: int = 20
    channel: bool = True

    @property
    def database(self) -> str:
        """The database's address."""
        return self.database_url or f"sqlite:///{self.data / 'registry.sqlite3'}"

    @property
    def storage(self) -> str:
        """The storage's address."""
        return self.storage_url or (self.data / "storage").resolve().as_uri()

    @property
    def incoming(self) -> Path:
        """Where uploads lie until they are examined; emptied at start."""
        return self.data / "incoming"
