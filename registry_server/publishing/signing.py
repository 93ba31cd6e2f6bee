"""Upload addresses that only we can make, valid for a while."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from registry_server.errors import Damaged, UploadRefused
from sdk.whole_files import part_file, take_free_name

_SECRET_BYTES = 32


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
    """The secret in a file that only its owner may read; made where missing.

    Raises:
        Damaged: there is something else in it.
    """
    if not path.exists():
        keep_secret(path, secrets.token_hex(_SECRET_BYTES).encode())
    try:
        secret = bytes.fromhex(path.read_text("ascii"))
    except ValueError:
        secret = b""
    if len(secret) < _SECRET_BYTES:
        raise Damaged(
            f"{path} holds no secret. Delete it, and a new one is made; uploads that were begun must begin again."
        )
    return secret


def keep_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, wholly or not at all; one that is there already stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with part_file(path.parent) as part:
        part.touch(0o600, exist_ok=False)
        part.write_bytes(content)
        take_free_name(part, path)
