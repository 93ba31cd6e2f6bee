"""``Client``: everything the commands do, with one workspace and its registries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from registry_client.errors import InstallFailed, LockDiffers, NoRegistry
from registry_client.fetch import Addresses
from registry_client.host_program import check_imports, host_claims
from registry_client.index.locked import LockedIndex
from registry_client.index.protocol import Index, Listing
from registry_client.index.registries import Registries
from registry_client.likeness import Likeness, Shapes, changed_packs, find_likenesses
from registry_client.lockfile import Lock, differences
from registry_client.ownership import Claimant
from registry_client.packages.site import site_name
from registry_client.packages.uv import Uv
from registry_client.planning import Plan, Planner
from registry_client.requests import Request
from registry_client.resolution.facts import HostFacts, this_host
from registry_client.resolution.no_solution import NoSolution
from registry_client.restoring import check_restored, kept_lock, record_of_lock, request_for
from registry_client.settings import ClientSettings
from registry_client.sources import Prepared, prepare_again
from registry_client.store import Store
from registry_client.transaction import Installer
from registry_client.watching import Nobody, Watcher
from registry_client.workspace import Workspace
from sdk.provenance import differences as differences_of_records
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
        try:
            return planner.plan(request, before)
        except NoSolution as error:
            if len(self.settings.registries) < 2:
                raise
            raise error.with_elsewhere(self.registries.elsewhere) from error

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

        What is installed may be damaged.

        Raises:
            LockDiffers: the lock is for another Python.
            ClientError: it can't be done; nothing was changed.
        """
        there = self.workspace.lock_if_readable()
        if there is not None and not differences(wanted, there) and self._complete(wanted):
            return None
        here = ".".join(self.facts.python.split(".")[:2])
        if wanted.wheels and wanted.python != here:
            packs = " ".join(f"{pack.id}=={pack.version}" for pack in wanted.packs)
            raise LockDiffers(
                [f"it is for Python {wanted.python}, and this is {here}"],
                remedy=f"Python packages have to be chosen anew: comfy-nodes install {packs}",
            )
        with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as folder:
            store = Store(self.workspace.store)
            missing = [pack for pack in wanted.packs if pack.source and not store.has(pack)]
            archives = {pack.sha256: prepare_again(pack, Path(folder)).archive for pack in missing}
            return self._install(wanted, command, archives, import_check)

    def plan_record(self, record: Mapping[str, Any]) -> Plan:
        """What brings back the packs that made a picture; nothing is written.

        A kept generation that is the same is used again, without asking anybody.

        Raises:
            CannotRestore: they can't be had as they were.
            ClientError: as from ``plan``.
        """
        before = self.lock()
        if not differences_of_records(record, record_of_lock(before)):
            return Plan(before, before)
        kept = kept_lock(self.workspace, record)
        if kept is not None and self._complete(kept):
            return Plan(before, kept)
        plan = self.plan(request_for(record, before))
        return replace(plan, lock=check_restored(record, plan.lock, before))

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
        return self.workspace.earlier() if number is None else self.workspace.generation(number)

    def set_enabled(self, pack_ids: Sequence[str], enabled: bool, command: str) -> Generation | None:
        """Let the host load packs, or leave them out. The caller holds ``changing()``.

        Raises:
            NotThere: one is not installed.
            DuplicateNodes: a pack would provide nodes that another one does.
        """
        before = self.lock()
        lock = before.with_enabled(pack_ids, enabled)
        planner = Planner(index=_NoIndex(), facts=self.facts, uv=self.uv, host=self.host)
        return self.apply(Plan(before, planner.reown(lock)), command, import_check=enabled)

    def likenesses(self, plan: Plan | None = None) -> list[Likeness]:
        """Installed packs whose code is similar; with a plan, only those that it brought, beside any other."""
        from sdk.similarity import near

        new = None if plan is None else changed_packs(plan.before, plan.lock)
        shapes = Shapes(self.settings.cache_dir / "shapes")
        return find_likenesses(self.lock(), Store(self.workspace.store), shapes, near, new=new)

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
