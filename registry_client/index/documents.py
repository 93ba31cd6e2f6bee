"""Reads documents of a registry: over HTTP, or from a folder that was exported to files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from registry_client.errors import NotThere, Unreachable

if TYPE_CHECKING:
    import httpx

TRIES = 3
PAUSE = 0.2
"""Seconds before the second try; twice that before the third."""
CHUNK = 1 << 18
Progress = Callable[[int], None]


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
        """Copy what lies under an address, absolute or relative to the root.

        Raises:
            Unreachable: no usable answer, or it broke off.
            NotThere: there is nothing.
        """


def open_documents(url: str) -> Documents:
    """Documents under an address.

    Raises:
        Unreachable: the address is of no known kind.
    """
    scheme = urlsplit(url).scheme
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
        if urlsplit(url).scheme in ("http", "https"):
            HttpDocuments(self.url).download(url, target, progress)
            return
        file = _path(url) if urlsplit(url).scheme == "file" else self._root / unquote(url)
        try:
            with file.open("rb") as source:
                shutil.copyfileobj(source, target, CHUNK)
            progress(file.stat().st_size)
        except FileNotFoundError as error:
            raise NotThere(f"{self.url} has no file {url}.") from error


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
        if answer.status_code == 304:
            return Document(None, etag)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Unreachable(f"{self.url}/{path}", f"it answered {answer.status_code}")
        return Document(answer.content, answer.headers.get("ETag", ""))

    def _ask(self, path: str, headers: dict[str, str]) -> httpx.Response:
        import httpx

        last: Any = None
        for number in range(TRIES):
            if number:
                time.sleep(PAUSE * number)
            try:
                answer = self._client.get(f"{self.url}/{path}", headers=headers)
            except httpx.InvalidURL as error:
                raise Unreachable(self.url, f"it is no address ({error})") from error
            except httpx.HTTPError as error:
                last = error
                continue
            if answer.status_code < 500:
                return answer
            last = f"it answered {answer.status_code}"
        raise Unreachable(self.url, str(last) or type(last).__name__)

    def download(self, url: str, target: IO[bytes], progress: Progress) -> None:
        import httpx

        address = urljoin(f"{self.url}/", url)
        if urlsplit(address).scheme not in ("http", "https"):
            raise Unreachable(address, "a registry on the network may not name files of this machine")
        try:
            with self._client.stream("GET", address) as answer:
                if answer.status_code in (404, 410):
                    raise NotThere(f"there is no archive under {address}.")
                if answer.status_code != 200:
                    raise Unreachable(address, f"it answered {answer.status_code}")
                for chunk in answer.iter_bytes(CHUNK):
                    target.write(chunk)
                    progress(len(chunk))
        except httpx.HTTPError as error:
            raise Unreachable(address, f"the download broke off ({error or type(error).__name__})") from error


def _path(url: str) -> Path:
    return Path(url2pathname(urlsplit(url).path))
