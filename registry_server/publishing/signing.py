"""Upload addresses that only we can make, valid for a while."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from registry_server.errors import UploadRefused


class Signer:
    """Signs upload addresses.

    Args:
        secret: at least 32 bytes; whoever has it can upload for announced versions.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def address(self, root: str, upload_id: str, expires: int) -> str:
        """Where the archive of an announced version is to be put, until ``expires`` (seconds since 1970)."""
        query = urlencode({"expires": expires, "signature": self._signature(upload_id, expires)})
        return f"{root}/uploads/{upload_id}?{query}"

    def check(self, upload_id: str, expires: int, signature: str, moment: datetime) -> None:
        """Return if this address is one of ours and still valid.

        Raises:
            UploadRefused: it is not.
        """
        expected = self._signature(upload_id, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise UploadRefused("The upload address is not one that this registry gave out.")
        if moment.timestamp() > expires:
            raise UploadRefused("The upload address has expired; publish the version again.")

    def _signature(self, upload_id: str, expires: int) -> str:
        return hmac.new(self._secret, f"{upload_id}:{expires}".encode(), hashlib.sha256).hexdigest()


def read_secret(path: Path) -> bytes:
    """The secret in a file that only its owner may read; made where missing."""
    try:
        return bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_secret(path)
    with os.fdopen(descriptor, "w") as writing:
        writing.write(secrets.token_hex(32))
    return read_secret(path)
