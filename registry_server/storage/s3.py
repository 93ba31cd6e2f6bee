"""Archives in a bucket that speaks S3's protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio
from minio.credentials.providers import (
    AWSConfigProvider,
    ChainedProvider,
    EnvAWSProvider,
    IamAwsProvider,
    StaticProvider,
)
from minio.error import InvalidResponseError, MinioException, S3Error

from registry_server.errors import NotFound, Unavailable
from registry_server.storage.protocol import CHUNK

_ABSENT = ("NoSuchKey", "NoSuchObject", "NotFound")
_SECONDS = urllib3.Timeout(connect=5, read=60)


class S3Storage:
    """Objects in one bucket, below a prefix. An object appears only when it was received wholly.

    Args:
        endpoint: ``http(s)://host:port``.
        key, secret: "" for what the environment or the machine provides.
    """

    def __init__(
        self, *, endpoint: str, bucket: str, prefix: str = "", region: str = "", key: str = "", secret: str = ""
    ) -> None:
        scheme, _, address = endpoint.rpartition("://")
        self.bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = Minio(
            endpoint=address,
            secure=scheme != "http",
            region=region or None,
            credentials=_credentials(key, secret),
            http_client=urllib3.PoolManager(timeout=_SECONDS, maxsize=32, retries=urllib3.Retry(2, backoff_factor=0.1)),
        )

    def put(self, key: str, source: Path) -> None:
        """Store a file's bytes."""
        with self._reachable():
            self._client.fput_object(bucket_name=self.bucket, object_name=self._prefix + key, file_path=str(source))

    def open(self, key: str, start: int = 0) -> Iterator[bytes]:
        """The bytes from ``start``, in chunks.

        Raises:
            NotFound: there is no such object.
        """
        with self._reachable():
            try:
                answer = self._client.get_object(bucket_name=self.bucket, object_name=self._prefix + key, offset=start)
            except S3Error as error:
                if error.code in _ABSENT:
                    raise NotFound("stored file", key) from error
                raise
        return self._chunks(answer)

    def size(self, key: str) -> int | None:
        """How many bytes, ``None`` for none."""
        with self._reachable():
            try:
                return self._client.stat_object(bucket_name=self.bucket, object_name=self._prefix + key).size
            except S3Error as error:
                if error.code in _ABSENT:
                    return None
                raise

    def delete(self, key: str) -> None:
        """Remove the object, if it is there."""
        with self._reachable():
            self._client.remove_object(bucket_name=self.bucket, object_name=self._prefix + key)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """All names that begin so, in order."""
        with self._reachable():
            found = self._client.list_objects(bucket_name=self.bucket, prefix=self._prefix + prefix, recursive=True)
            for entry in found:
                yield str(entry.object_name)[len(self._prefix) :]

    def check(self) -> None:
        """Return if the bucket is there."""
        with self._reachable():
            if not self._client.bucket_exists(bucket_name=self.bucket):
                raise Unavailable(f"The storage has no bucket {self.bucket!r}; make it, or name another one.")

    def _chunks(self, answer: Any) -> Iterator[bytes]:
        try:
            with self._reachable():
                yield from answer.stream(CHUNK)
        finally:
            answer.close()
            answer.release_conn()

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (MinioException, InvalidResponseError, urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"The storage's bucket {self.bucket!r} can't be used: {error}.") from error


def _credentials(key: str, secret: str) -> Any:
    if key:
        return StaticProvider(key, secret)
    return ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider()])
