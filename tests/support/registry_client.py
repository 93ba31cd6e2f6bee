"""Fakes and short forms for tests of the client."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from registry_client.client import Client
from registry_client.index.protocol import Listing
from registry_client.lockfile import LockedPack
from registry_client.resolution.facts import HostFacts
from registry_client.settings import ClientSettings, RegistrySettings
from sdk.registry import Pack, Release, fold
from tests.support.registry_folder import RegistryFolder

HOST = HostFacts(
    python="3.11.7",
    node_api="1.0",
    system="POSIX :: Linux",
    accelerators=("GPU :: NVIDIA CUDA",),
    installed={"torch": "2.13.0+cpu", "numpy": "2.4.6"},
    version="0.1.0",
)


class MemoryIndex:
    """An index that is a list of packs."""

    def __init__(self, *packs: Pack) -> None:
        self._packs = {fold(pack.id): pack for pack in packs}

    def pack(self, pack_id: str) -> Listing | None:
        found = self._packs.get(fold(pack_id))
        return Listing(found, "memory:") if found else None

    def prefetch(self, pack_ids: Iterable[str]) -> None:
        pass

    def providers(self, node_id: str) -> list[Listing]:
        return [
            Listing(pack, "memory:")
            for pack in self._packs.values()
            if any(node_id in (claim.id, *claim.aliases) for r in pack.releases for claim in r.nodes)
        ]


def release(version: str, *python: str, packs: Iterable[str] = (), **facts: Any) -> Release:
    """A release with these Python requirements."""
    sha256 = facts.pop("sha256", f"sha-{version}")
    return Release(
        version=version, sha256=sha256, size=1, url="a.zip", dependencies=python, packs=tuple(packs), **facts
    )


def pack(pack_id: str, *releases: Release) -> Pack:
    """A pack with these releases."""
    return Pack(id=pack_id, releases=releases)


def locked(registry: RegistryFolder, pack_id: str, version: str = "") -> LockedPack:
    """A pack of the registry as a lock names it."""
    found = registry.packs[fold(pack_id)]
    chosen = next(r for r in reversed(found.releases) if version in ("", r.version))
    return LockedPack(
        id=found.id,
        version=chosen.version,
        sha256=chosen.sha256,
        size=chosen.size,
        registry=registry.url,
        url=chosen.url,
        requested="*",
        nodes=tuple(claim.id for claim in chosen.nodes),
    )


def client(tmp_path: Path, *registries: RegistryFolder, **settings: Any) -> Client:
    """A client whose host is a fake one with nothing but torch and numpy."""
    facts = settings.pop("facts", HOST)
    pins = settings.pop("pins", None)
    watcher = settings.pop("watcher", None)
    configured = ClientSettings(
        base_dir=tmp_path / "base",
        cache_dir=tmp_path / "cache",
        registries=tuple(RegistrySettings(r.name, r.url) for r in registries),
        **settings,
    )
    return Client(configured, facts=facts, pins=pins, watcher=watcher)
