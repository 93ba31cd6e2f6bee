"""``Client``: everything the commands do, with one workspace and its registries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from registry_client.errors import InstallFailed, LockDiffers, NoRegistry, NotThere
from registry_client.fetch import Addresses
from registry_client.host_program import check_imports, host_claims
from registry_client.index.locked import LockedIndex
from registry_client.index.protocol import Index, Listing
from registry_client.index.registries import Registries
from registry_client.lockfile import Lock, differences
from registry_client.ownership import Claimant
from registry_client.packages.site import site_name
from registry_client.packages.uv import Uv
from registry_client.planning import Plan, Planner, Request
from registry_client.resolution.facts import HostFacts, this_host
from registry_client.settings import ClientSettings
from registry_client.sources import Prepared, prepare_again
from registry_client.store import Store
from registry_client.transaction import Installer
from registry_client.watching import Nobody, Watcher
from registry_client.workspace import Workspace
from sdk.workspace import Generation


class _NoIndex:
    """What there is without any registry: nothing."""

    def pack(self, pack_id: str) -> Listing | None:
        raise NoRegistry

    def prefetch(self, pack_ids: Iterable[str]) -> None:
        pass


class Client:
    """One installation. Not for several threads.

    Args:
        pins: pack id to the name or address of the one registry it may come from.
        watcher: told of every step.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        pins: Mapping[str, str] | None = None,
        watcher: Watcher | None = None,
        facts: HostFacts | None = None,
    ) -> None:
        self.settings = settings
        self.workspace = Workspace(settings.base_dir)
        self._pins, self._watcher = dict(pins or {}), watcher or Nobody()
        self._facts = facts

    @cached_property
    def facts(self) -> HostFacts:
        """The host's facts."""
        return self._facts or this_host(self.settings.accelerators, without=self.workspace.root)

    @cached_property
    def registries(self) -> Registries:
        """The configured registries; installed packs stay with theirs.

        Raises:
            NoRegistry: none is configured.
        """
        known = {registry.url for registry in self.settings.registries}
        pins = {pack.id: pack.registry for pack in self.lock().packs if pack.registry in known}
        return Registries(
            self.settings.registries,
            self.settings.cache_dir,
            offline=self.settings.offline,
            pins={**pins, **self._pins},
        )

    @cached_property
    def uv(self) -> Uv:
        """How uv is run."""
        return Uv(self.settings.find_links, self.settings.offline)

    @cached_property
    def host(self) -> Claimant | None:
        """What the host's own nodes claim; None where that can't be learned."""
        return host_claims(self.settings.cache_dir / "host-nodes.json", self.facts.version)

    def lock(self) -> Lock:
        """What is installed."""
        return self.workspace.lock()

    def plan(self, request: Request) -> Plan:
        """What a request would change; nothing is written.

        Raises:
            ClientError: it can't be done; nothing was changed.
        """
        before = self.lock()
        planner = Planner(index=self._index(request, before), facts=self.facts, uv=self.uv, host=self.host)
        return planner.plan(request, before)

    def apply(
        self, plan: Plan, command: str, *, direct: Sequence[Prepared] = (), import_check: bool = True
    ) -> Generation | None:
        """Install what was planned; None where nothing changes. The caller holds ``changing()``.

        Raises:
            ClientError: it can't be done; nothing was changed.
        """
        nothing = not plan.lock.packs and not plan.before.packs
        if nothing or (plan.lock == plan.before and self._complete(plan.lock)):
            return None
        archives = {item.candidate.release.sha256: item.archive for item in direct}
        return self._install(plan.lock, command, archives, import_check)

    def sync(self, wanted: Lock, command: str, *, import_check: bool = True) -> Generation | None:
        """Install exactly what a lock says; None where that is so already. The caller holds ``changing()``.

        Raises:
            LockDiffers: the lock is for another Python.
            ClientError: it can't be done; nothing was changed.
        """
        if not differences(wanted, self.lock()) and self._complete(wanted):
            return None
        here = ".".join(self.facts.python.split(".")[:2])
        if wanted.wheels and wanted.python != here:
            raise LockDiffers([f"it is for Python {wanted.python}, and this is {here}; resolve again with install"])
        with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as folder:
            store = Store(self.workspace.store)
            missing = [pack for pack in wanted.packs if pack.source and not store.has(pack)]
            archives = {pack.sha256: prepare_again(pack, Path(folder)).archive for pack in missing}
            return self._install(wanted, command, archives, import_check)

    def rollback(self, number: int | None) -> Generation:
        """Make an earlier generation the one in use. The caller holds ``changing()``.

        Raises:
            NotThere: there is no such generation.
            InstallFailed: a part of it is gone.
        """
        generation = self.earlier(number)
        gone = [pack.id for pack in generation.packs if not pack.folder.is_dir()]
        if gone or not all(site.is_dir() for site in generation.sites):
            raise InstallFailed(
                f"generation {generation.number} lacks files of {', '.join(gone) or 'Python packages'}."
            )
        self.workspace.switch(generation.number)
        return generation

    def earlier(self, number: int | None) -> Generation:
        """The generation of that number, or the one before the one in use.

        Raises:
            NotThere: there is none.
        """
        if number is not None:
            return self.workspace.generation(number)
        current = self.workspace.current()
        earlier = [n for n in self.workspace.numbers() if current and n < current.number]
        if not earlier:
            raise NotThere("there is no earlier generation to go back to.")
        return self.workspace.generation(earlier[-1])

    def set_enabled(self, pack_ids: Sequence[str], enabled: bool, command: str) -> Generation | None:
        """Let the host load packs, or leave them out. The caller holds ``changing()``.

        Raises:
            NotThere: one is not installed.
            DuplicateNodes: a pack would provide nodes that another one does.
        """
        before = lock = self.lock()
        for pack_id in pack_ids:
            lock = lock.with_pack(replace(lock.require(pack_id), enabled=enabled))
        planner = Planner(index=_NoIndex(), facts=self.facts, uv=self.uv, host=self.host)
        return self.apply(Plan(before, planner.reown(lock)), command, import_check=enabled)

    def _index(self, request: Request, before: Lock) -> Index:
        """The registries, up to date; where packs are only removed, what is installed will do."""
        if request.only_drops:
            return LockedIndex(before)
        if not self.settings.registries:
            return _NoIndex()
        self.registries.refresh()
        return self.registries

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else changes the installation meanwhile.

        Raises:
            Busy: somebody does.
        """
        with self.workspace.exclusive():
            yield

    def _complete(self, lock: Lock) -> bool:
        """Whether everything is where it should be."""
        store = Store(self.workspace.store)
        sites = [self.workspace.sites / site_name(wheels) for _, wheels in lock.sites()]
        return (
            self.workspace.current() is not None
            and all(store.has(pack) for pack in lock.packs)
            and all(site.is_dir() for site in sites)
        )

    def _install(self, lock: Lock, command: str, archives: Mapping[str, Path], import_check: bool) -> Generation:
        installer = Installer(
            workspace=self.workspace,
            uv=self.uv,
            origins=Addresses(offline=self.settings.offline),
            archives=archives,
            check=check_imports if import_check else None,
            host=self.host,
            watcher=self._watcher,
        )
        return installer.install(lock, command)
