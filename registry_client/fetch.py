"""Downloads archives, several at once, each checked before it counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from registry_client.errors import InstallFailed, Mismatch, Unreachable
from registry_client.index.documents import Documents, open_documents
from registry_client.lockfile import LockedPack
from registry_client.store import sha256_of
from registry_client.watching import Watcher
from sdk.archives import Limits

AT_ONCE = 8


class Origins(Protocol):
    """Where registries' files can be read."""

    def documents(self, url: str) -> Documents:
        """Of the registry under this address."""


class Addresses:
    """The registries that a lock names, whether or not they are configured here; every archive's hash is checked."""

    def __init__(self, *, offline: bool = False) -> None:
        self._offline, self._known = offline, dict[str, Documents]()

    def documents(self, url: str) -> Documents:
        """Of the registry under this address.

        Raises:
            Unreachable: it is on the network, which may not be used.
        """
        if self._offline and not url.startswith("file:"):
            raise Unreachable(url, "an archive must be fetched from there", "Try again without --offline.")
        if url not in self._known:
            self._known[url] = open_documents(url)
        return self._known[url]


def fetch(packs: Iterable[LockedPack], origins: Origins, folder: Path, watcher: Watcher) -> Mapping[str, Path]:
    """Download the archives of packs into a folder; where each is, by sha256.

    Raises:
        Mismatch: an archive is not the one that the lock names.
        Unreachable: a registry gave no usable answer.
        NotThere: it has no such archive.
    """
    wanted = list({pack.sha256: pack for pack in packs}.values())
    for pack in wanted:
        watcher.download(pack.id, pack.size)
        origins.documents(pack.registry)  # opened here, for registries are not for several threads at once
    with ThreadPoolExecutor(AT_ONCE) as threads:
        paths = list(threads.map(lambda pack: _fetch(pack, origins.documents(pack.registry), folder, watcher), wanted))
    return {pack.sha256: path for pack, path in zip(wanted, paths, strict=True)}


def _fetch(pack: LockedPack, documents: Documents, folder: Path, watcher: Watcher) -> Path:
    path = folder / f"{pack.sha256[:32]}.zip"
    most, size = pack.size or Limits().archive_bytes, 0

    def received(count: int) -> None:
        nonlocal size
        size += count
        if size > most:
            raise Mismatch(f"the archive of {pack}", f"{most} bytes", "more")
        watcher.received(pack.id, count)

    try:
        with path.open("wb") as file:
            documents.download(pack.url, file, received)
    except OSError as error:
        raise InstallFailed(f"the archive of {pack} can't be written ({error}). Nothing was changed.") from error
    if size < pack.size:  # what a proxy may do that does not know how much there is to come
        raise Mismatch(f"the archive of {pack}", f"{pack.size} bytes", f"only {size}")
    found = sha256_of(path)
    if found != pack.sha256:
        raise Mismatch(f"the archive of {pack}", pack.sha256, found)
    return path
