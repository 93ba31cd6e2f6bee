"""Reads documents of a registry: over HTTP, or from a folder that was exported to files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from registry_client.errors import NotThere, Unreachable

if TYPE_CHECKING:
    import httpx

Read = TypeVar("Read")

TRIES = 3
PAUSE = 0.2
"""Seconds before the second try; twice that before the third."""
CHUNK = 1 << 18
MOST_BYTES = 1 << 30
"""A document is never larger; a snapshot of 100,000 packs has a tenth of that."""
Progress = Callable[[int], None]
"""Called with the bytes that came; with a negative number where they have to come once more."""


@dataclass(frozen=True)
class Document:
    """A document's bytes, or None where it is still what ``etag`` says; ``etag`` is "" where there is none."""

    body: bytes | None
    etag: str = ""


class Documents(Protocol):
    """A registry's files, by path relative to its root."""

    url: str

    def get(self, path: str, etag: str = "") -> Document | None:
        """A document; None where the registry has none under this path.

        Raises:
            Unreachable: no usable answer.
        """

    def download(self, url: str, target: IO[bytes], progress: Progress) -> None:
        """Copy what lies under an address, absolute or relative to the root, to the target's beginning.

        Raises:
            Unreachable: no usable answer, or it broke off.
            NotThere: there is nothing.
        """


def open_documents(url: str) -> Documents:
    """Documents under an address.

    Raises:
        Unreachable: the address is of no known kind.
    """
    scheme = _scheme(url)
    if scheme == "file":
        return FolderDocuments(url)
    if scheme in ("http", "https"):
        return HttpDocuments(url)
    raise Unreachable(url, "the address must begin with http://, https:// or file://")


class FolderDocuments:
    """A registry that is a folder of files."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._root = _path(url)

    def get(self, path: str, etag: str = "") -> Document | None:
        # A file's name on disk is the quoted one, so that every id can be a name.
        file = self._root / path.partition("?")[0]
        try:
            facts = file.stat()
            found = f"{facts.st_size}-{facts.st_mtime_ns}"
            return Document(None if found == etag else file.read_bytes(), found)
        except FileNotFoundError as error:
            if self._root.is_dir():
                return None
            raise Unreachable(self.url, "there is no such folder") from error
        except OSError as error:
            raise Unreachable(self.url, f"{path} can't be read ({error})") from error

    def download(self, url: str, target: IO[bytes], progress: Progress) -> None:
        scheme = _scheme(url)
        if scheme in ("http", "https"):
            HttpDocuments(self.url).download(url, target, progress)
            return
        try:
            source = (_path(url) if scheme == "file" else self._root / unquote(url)).open("rb")
        except FileNotFoundError as error:
            raise NotThere(f"{self.url} has no file {url}.") from error
        except (OSError, ValueError) as error:  # such as a name with a NUL
            raise Unreachable(self.url, f"{url} can't be read ({error})") from error
        with source:
            while chunk := source.read(CHUNK):
                target.write(chunk)
                progress(len(chunk))


class HttpDocuments:
    """A registry that answers over HTTP; three tries, redirects followed, proxies as the environment says."""

    def __init__(self, url: str) -> None:
        import httpx

        self.url = url.rstrip("/")
        limits = httpx.Limits(max_connections=16, max_keepalive_connections=16)
        agent = {"User-Agent": "comfy-nodes-client"}
        self._client = httpx.Client(timeout=30, follow_redirects=True, limits=limits, headers=agent)

    def get(self, path: str, etag: str = "") -> Document | None:
        answer = self._ask(path, {"If-None-Match": etag} if etag else {})
        if answer.status_code == 304 and etag:
            return Document(None, etag)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Unreachable(f"{self.url}/{path}", f"it answered {answer.status_code}")
        return Document(bytes(answer.body), answer.etag)

    def _ask(self, path: str, headers: dict[str, str]) -> _Answer:
        def read(answer: httpx.Response) -> _Answer:
            body = bytearray()
            for chunk in answer.iter_bytes(CHUNK):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Unreachable(f"{self.url}/{path}", f"its answer is larger than {MOST_BYTES:,} bytes")
            return _Answer(answer.status_code, answer.headers.get("ETag", ""), body)

        return self._try(f"{self.url}/{path}", headers, read)

    def download(self, url: str, target: IO[bytes], progress: Progress) -> None:
        try:
            address = urljoin(f"{self.url}/", url)
        except ValueError as error:
            raise Unreachable(self.url, f"{url!r} is no address ({error})") from error
        if _scheme(address) not in ("http", "https"):
            raise Unreachable(address, "a registry on the network may not name files of this machine")

        def read(answer: httpx.Response) -> None:
            if answer.status_code in (404, 410):
                raise NotThere(f"there is no archive under {address}.")
            if answer.status_code in (403, 451):
                raise NotThere(f"{self.url} does not give out {address}: {_reason(answer)}")
            if answer.status_code != 200:
                raise Unreachable(address, f"it answered {answer.status_code}")
            progress(-target.seek(0, 2))
            target.seek(0)
            target.truncate()
            for chunk in answer.iter_bytes(CHUNK):
                target.write(chunk)
                progress(len(chunk))

        self._try(address, {}, read)

    def _try(self, address: str, headers: dict[str, str], read: Callable[[httpx.Response], Read]) -> Read:
        """What ``read`` makes of an answer that is no failure of the server's, and came whole."""
        import httpx

        why: Any = None
        for number in range(TRIES):
            if number:
                time.sleep(PAUSE * number)
            try:
                with self._client.stream("GET", address, headers=headers) as answer:
                    if answer.status_code < 500:
                        return read(answer)
                    why = f"it answered {answer.status_code}"
            except httpx.InvalidURL as error:
                raise Unreachable(address, f"it is no address ({error})") from error
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
        raise Unreachable(address, why)


@dataclass(frozen=True)
class _Answer:
    status_code: int
    etag: str
    body: bytearray


def _reason(answer: httpx.Response) -> str:
    """What the registry says to a refusal, where it says anything in its own way."""
    try:
        data = json.loads(next(answer.iter_bytes(CHUNK), b""))
    except (ValueError, RecursionError):
        data = None
    said = data.get("message") if isinstance(data, dict) else None
    return str(said) if said else f"it answered {answer.status_code}."


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError as error:
        raise Unreachable(url, f"it is no address ({error})") from error


def _path(url: str) -> Path:
    return Path(url2pathname(urlsplit(url).path))
