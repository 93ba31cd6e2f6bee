"""Reads the index of another registry of ours, for a mirror of it."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from registry_server.errors import BadRequest, Damaged, Unavailable
from sdk.registry import (
    CONFIG_PATH,
    FORMAT,
    SNAPSHOT_PATH,
    BadIndexDocument,
    IndexConfig,
    Pack,
    bundle_path,
    changes_page_path,
    decode_bundle,
    decode_config,
    decode_pack,
    digest,
    pack_path,
    pinned_pack_path,
    read_snapshot,
)

LARGEST_DOCUMENT = 64 * 2**20
LARGEST_SNAPSHOT = 2**31


@dataclass(frozen=True)
class Upstream:
    """The registry at ``root``, an address that ends with a slash.

    Args:
        workspace: where its snapshot lies while it is read.
    """

    root: str
    http: httpx.Client
    workspace: Path

    def config(self) -> IndexConfig:
        """How far its index is.

        Raises:
            BadRequest: it is no registry, or its index has a format we don't know.
            Unavailable: it can't be reached.
        """
        try:
            config = decode_config(self.get(CONFIG_PATH))
        except BadIndexDocument as error:
            raise BadRequest(f"{self.root} is no registry of ours: {error}") from error
        if config.format != FORMAT:
            raise BadRequest(f"{self.root} has an index of format {config.format}, and this program knows {FORMAT}.")
        return config

    def changed(self, config: IndexConfig, since: int) -> Iterator[Pack]:
        """The packs that have changed after a serial, as they are now.

        Raises:
            Unavailable: it can't be reached.
            Damaged: a document is not what its digest says, or what it should be, or changes are missing.
        """
        try:
            yield from self._changed(config, since)
        except BadIndexDocument as error:
            raise Damaged(f"{self.root}: {error}") from error

    def _changed(self, config: IndexConfig, since: int) -> Iterator[Pack]:
        if since == 0 and config.snapshot_serial:
            since = yield from self._snapshot()
        left: dict[str, str] = {}
        while since < config.serial:
            path = bundle_path(since) if config.api else changes_page_path(since + 1)
            changes, documents = decode_bundle(self.get(path), path)
            news = [change for change in changes if change.serial > since]
            if [change.serial for change in news] != [*range(since + 1, since + 1 + (len(news) or 1))]:
                raise BadIndexDocument(path, f"changes after {since} are missing")
            left |= {change.pack: change.digest for change in news}
            for pack_id in {change.pack: None for change in news}:
                if document := documents.get(left[pack_id]):
                    del left[pack_id]
                    yield decode_pack(document, pack_id)
            since = news[-1].serial
        for pack_id, expected in left.items():
            if expected and (document := self._document(pack_id, expected)):
                yield decode_pack(document, pack_id)

    def get(self, path: str) -> bytes:
        """A document.

        Raises:
            Unavailable: it is not there, or can't be reached.
            Damaged: it is absurdly large.
        """
        body = self._find(path)
        if body is None:
            raise Unavailable(f"{urljoin(self.root, path)} can't be read: there is no such document.")
        return body

    def _document(self, pack_id: str, expected: str) -> bytes | None:
        """The pack as of a change, or as it is now where former states are not kept; ``None`` once it is removed."""
        body = self._find(pinned_pack_path(pack_id, expected))
        if body is None:
            return self._find(pack_path(pack_id))
        if digest(body) != expected:
            raise Damaged(f"{self.root}: the document of {pack_id} is not what its digest says.")
        return body

    def _find(self, path: str) -> bytes | None:
        address = urljoin(self.root, path)
        try:
            with self.http.stream("GET", address) as answer:
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return None
                answer.raise_for_status()
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST_DOCUMENT:
                        raise Damaged(f"{address} is larger than a document can be.")
        except httpx.HTTPError as error:
            raise Unavailable(f"{address} can't be read: {error}.") from error
        return bytes(body)

    def _snapshot(self) -> Generator[Pack, None, int]:
        """The packs in the snapshot; returns up to which change it goes."""
        address = urljoin(self.root, SNAPSHOT_PATH)
        with tempfile.TemporaryFile(dir=self.workspace) as file:
            try:
                with self.http.stream("GET", address) as answer:
                    answer.raise_for_status()
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
                        if file.tell() > LARGEST_SNAPSHOT:
                            raise Damaged(f"{address} is larger than a snapshot can be.")
            except httpx.HTTPError as error:
                raise Unavailable(f"{address} can't be read: {error}.") from error
            file.seek(0)
            config, lines = read_snapshot(file, address)
            for line in lines:
                yield decode_pack(line, address)
            return config.serial


def root_of(url: str) -> str:
    """The address with a slash at its end.

    Raises:
        BadRequest: it is none of a registry.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest(f"{url!r} is no address of a registry; write https://host/path.")
    return url.rstrip("/") + "/"
