"""A storage from its address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from registry_server.errors import BadRequest
from registry_server.storage.files import FileStorage
from registry_server.storage.protocol import Storage


def open_storage(address: str, key: str = "", secret: str = "") -> Storage:
    """``file:///folder`` or ``s3://bucket/prefix?endpoint=http://…&region=…``.

    Raises:
        BadRequest: it is neither.
    """
    parts = urlsplit(address)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return FileStorage(Path(unquote(parts.path)))
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "s3" and parts.netloc and options.get("endpoint"):
        # Its library takes as long to import as all the rest.
        from registry_server.storage.s3 import S3Storage

        return S3Storage(
            endpoint=options["endpoint"],
            bucket=parts.netloc,
            prefix=parts.path,
            region=options.get("region", ""),
            key=key,
            secret=secret,
        )
    raise BadRequest(
        f"{address!r} is no storage; write file:///folder or s3://bucket/prefix?endpoint=https://host&region=…"
    )
