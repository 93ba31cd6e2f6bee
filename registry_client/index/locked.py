"""A lock as an index: what is installed, and nothing else. Packs can be removed without asking any registry."""

from __future__ import annotations

from collections.abc import Iterable

from registry_client.index.protocol import Listing
from registry_client.lockfile import Lock
from sdk.registry import Pack


class LockedIndex:
    """Each installed pack with the one release that is installed."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def pack(self, pack_id: str) -> Listing | None:
        """The installed pack of that id."""
        found = self._lock.pack(pack_id)
        return Listing(Pack(id=found.id, releases=(found.release(),)), found.registry) if found else None

    def prefetch(self, pack_ids: Iterable[str]) -> None:
        """Nothing: all is here."""
