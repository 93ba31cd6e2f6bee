"""All configured registries as one index: a pack belongs to the first of them that has it, wholly.

A pack of one id is never mixed from two registries: if the first lists ``acme-tint``, no version of another
registry's ``acme-tint`` is ever considered, however new it is. That is what keeps a stranger from offering a higher
version of a private pack.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from registry_client.errors import BadRequirement, NoRegistry, Unreachable
from registry_client.index.documents import Documents, open_documents
from registry_client.index.local_copy import LocalCopy
from registry_client.index.protocol import Found, Listing
from registry_client.index.refresh import AT_ONCE, fetch_pack, refresh
from registry_client.settings import RegistrySettings
from sdk.registry import BadIndexDocument, NodeClaim, fold

logger = logging.getLogger(__name__)


class Registries:
    """The registries in order of priority. Not for several threads at once.

    Args:
        offline: ask none on the network; folders of files are none.
        pins: pack id to the name or address of the one registry it may come from.
    """

    def __init__(
        self,
        registries: Iterable[RegistrySettings],
        cache_dir: Path,
        *,
        offline: bool = False,
        pins: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = tuple(registries)
        if not self._settings:
            raise NoRegistry
        self._copies = {registry.url: LocalCopy(cache_dir, registry.url) for registry in self._settings}
        self._documents: dict[str, Documents] = {}
        self._asked: set[tuple[str, str]] = set()
        self._pins = {fold(pack): self._address(name) for pack, name in (pins or {}).items()}
        self._stale = {url: "--offline" for url in self._copies if offline and not url.startswith("file:")}

    def documents(self, url: str) -> Documents:
        """For downloads from one registry; any address will do."""
        if url not in self._documents:
            self._documents[url] = open_documents(url)
        return self._documents[url]

    def refresh(self, *, whole: bool = False) -> None:
        """Bring the copies up to date; a registry that can't be reached is named, and what is kept of it is used.

        Raises:
            Unreachable: nothing is kept of a registry that can't be reached.
        """
        for copy in self._copies.values():
            self._refresh(copy, whole)

    def pack(self, pack_id: str) -> Listing | None:
        """The pack as the first registry lists it that has it."""
        pinned = self._pins.get(fold(pack_id))
        for url, copy in self._copies.items():
            if pinned not in (None, url):
                continue
            self._fetch(copy, pack_id)
            if listing := copy.pack(pack_id):
                return listing
            if url in self._stale and not copy.complete and len(self._copies) > 1:
                raise Unreachable(url, f"whether it has {pack_id} is not known, so no other registry's is taken")
        return None

    def elsewhere(self, pack_id: str) -> list[str]:
        """Names of the registries that list the pack, too, behind the one that it is taken from."""
        first = self._first(pack_id)
        names = {registry.url: registry.name for registry in self._settings}
        others = [(url, copy) for url, copy in self._copies.items() if url != first]
        for _, copy in others:
            with suppress(Unreachable, BadIndexDocument):  # what is kept of it will do for a hint
                self._fetch(copy, pack_id)
        return [names[url] for url, copy in others if copy.pack(pack_id)] if first else []

    def prefetch(self, pack_ids: Iterable[str]) -> None:
        """Fetch these packs at once, where the copies are not complete."""
        wanted = [(copy, pack_id) for pack_id in pack_ids for copy in self._copies.values()]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda pair: self._fetch(*pair), wanted))

    def providers(self, node_id: str) -> list[Listing]:
        """The packs that provide a node, each from the registry it is taken from."""
        found: dict[str, Listing] = {}
        for url, copy in self._copies.items():
            for listing in copy.providers(node_id):
                pinned = self._pins.get(fold(listing.pack.id))
                if pinned in (None, url) and self._first(listing.pack.id) == url:
                    found.setdefault(fold(listing.pack.id), listing)
        return list(found.values())

    def search(self, words: str, limit: int = 20) -> list[Found]:
        """Packs that hold every word; those of the first registry first."""
        found: dict[str, Found] = {}
        for copy in self._copies.values():
            for line in copy.search(words, limit):
                found.setdefault(fold(line.id), line)
        return list(found.values())[:limit]

    def nodes_like(self, words: str, limit: int = 20) -> list[tuple[Found, list[str]]]:
        """Packs with nodes whose id holds every word, each from the registry it is taken from, with these nodes."""
        found: dict[str, tuple[Found, list[str]]] = {}
        for url, copy in self._copies.items():
            for folded, (line, nodes) in copy.nodes_like(words, limit).items():
                if self._first(line.id) == url:
                    found.setdefault(folded, (line, nodes))
        return list(found.values())[:limit]

    def claims(self) -> Iterator[tuple[NodeClaim, str]]:
        """Every node of every registry's packs."""
        for copy in self._copies.values():
            yield from copy.claims()

    def _first(self, pack_id: str) -> str | None:
        pinned = self._pins.get(fold(pack_id))
        return pinned or next((url for url, copy in self._copies.items() if copy.pack(pack_id)), None)

    def _address(self, name: str) -> str:
        for registry in self._settings:
            if name.rstrip("/") in (registry.name, registry.url):
                return registry.url
        known = ", ".join(registry.name for registry in self._settings)
        raise BadRequirement(f"there is no registry {name!r}; there are: {known}.")

    def _refresh(self, copy: LocalCopy, whole: bool) -> None:
        if copy.url in self._stale:
            if not _is_enough(copy, whole):
                raise Unreachable(copy.url, "its index was never fetched as a whole", "Try again without --offline.")
            _say_stale(copy, self._stale[copy.url])
            return
        try:
            refresh(copy, self.documents(copy.url), whole=whole)
        except (Unreachable, BadIndexDocument) as error:
            if not _is_enough(copy, whole):
                raise
            self._stale[copy.url] = str(error)
            _say_stale(copy, str(error))

    def _fetch(self, copy: LocalCopy, pack_id: str) -> None:
        """A copy that is complete and fresh knows; another asks for the one pack, once."""
        key = (copy.url, fold(pack_id))
        if copy.complete or copy.url in self._stale or key in self._asked:
            return
        self._asked.add(key)
        fetch_pack(copy, self.documents(copy.url), pack_id)


def _is_enough(copy: LocalCopy, whole: bool) -> bool:
    """Whether what is kept of a registry will do where it can't be asked."""
    return bool(copy.fact("checked")) and (copy.complete or not whole)


def _say_stale(copy: LocalCopy, why: str) -> None:
    age = timedelta(seconds=round(copy.age))
    logger.warning("using what %s said %s ago (%s)", copy.url, age, why)
