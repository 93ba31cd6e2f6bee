"""Puts modules on their devices, makes room for them, and keeps account of both."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch  # noqa: TID253 - this module is loaded when weights are

from host.models.errors import DeviceFull, OutOfBudget
from host.models.residency.limits import Limit, choose_leaving, free_beside, limits_of
from host.models.residency.resident import Resident
from sdk.current_call import current_call
from sdk.models import ModelHandle

logger = logging.getLogger(__name__)

SPARE = 1 << 30
"""Bytes that are left free when weights are kept in a faster form for speed alone."""


@dataclass(frozen=True)
class Counters:
    """What has been done since the start; bytes are those copied or converted, not those mapped."""

    loads: int = 0
    bytes_loaded: int = 0
    evictions: int = 0
    layers_patched: int = 0
    layers_restored: int = 0
    bytes_patched: int = 0


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Who holds how many bytes where.

    Attributes:
        source: the model file, or who adopted the module.
        bytes: on the device, exactly.
        mapped_bytes: those of ``bytes`` that are pages of the file, which the system may drop and read again.
        streamed_bytes: further bytes that are brought to the device for each use, for want of room.
        patched_layers: how many weights differ from the file's now.
    """

    key: str
    part: str
    family: str
    source: str
    device: str
    bytes: int
    mapped_bytes: int
    streamed_bytes: int
    patched_layers: int
    borrowed: bool
    reload_seconds: float


class Placement:
    """The modules there are, by key, and where their weights are. Its caller holds the manager's lock.

    Args:
        hook: told before a load and after an eviction; None for no plugins.
        clock: seconds, for measuring what a reload takes.
    """

    def __init__(self, hook: Any = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._hook, self._clock = hook, clock
        self.residents: dict[str, Resident] = {}
        self.counters = Counters()
        self._borrows = 0

    def all(self) -> list[Resident]:
        """Every module there is, placed or not; may be asked for without the lock."""
        return list(self.residents.values())

    def lacks(self, key: str) -> bool:
        """Whether there is no module of that key, or one that can't be placed any more."""
        found = self.residents.get(key)
        return found is None or found.is_gone

    def add(self, resident: Resident) -> None:
        """Take a module in, unless somebody else has done that meanwhile; may be called without the lock."""
        key = resident.handle.key
        if self.residents.setdefault(key, resident).is_gone:
            self.residents[key] = resident

    def remove(self, resident: Resident) -> None:
        """Take a module out for good that nobody uses."""
        if resident.placed:
            self.evict(resident)
        resident.forget()
        if self.residents.get(resident.handle.key) is resident:
            del self.residents[resident.handle.key]

    def ready(self, resident: Resident) -> None:
        """Place a module with the patches of its last borrow, after evicting what must leave for it.

        Where not all of its weights fit, part of them is streamed; where that doesn't do, others in use stream more.
        What borrowers need to work with is made free as far as possible.

        Raises:
            OutOfBudget: even that takes more than can be had.
            DeviceFull: the device had less memory than it said, twice.
        """
        self._borrows += 1
        resident.last_used = self._borrows
        try:
            self._place(resident)
        except torch.OutOfMemoryError:
            pass  # what the failed call holds falls free only when its error does, which is here
        else:
            resident.ledger.room = max(0, self._free(resident) - self._working_bytes(resident) - SPARE)
            return
        try:
            self.relieve(resident)
        except torch.OutOfMemoryError as error:
            raise self.full(resident, loading=True) from error

    def relieve(self, resident: Resident) -> None:
        """Make all the room there can be for a borrowed module that ran out of it.

        Others leave. It, and those that are in use as well, stream as much as they can.
        """
        there, working_bytes = self._there(resident), self._working_bytes(resident)
        for each in there:
            if each.evictable or (each.users and each.placed and each.least < each.bytes and each.returns):
                self.evict(each)
        resident.device.release_cached()
        for each in (each for each in there if each.users):
            if not each.placed:
                self._load(each, each.least)
            self._repatch_for(each)
            each.cramped = working_bytes

    def bring_back(self, resident: Resident) -> None:
        """Place those in use again that left a module's device in vain: without weights they would compute nonsense."""
        for each in self._there(resident):
            if each.placed or not each.users:
                continue
            try:
                self._load(each, max(each.least, self._free(each) - self._working_bytes(each)))
            except torch.OutOfMemoryError as error:
                raise self.full(each, loading=True) from error
            self._repatch_for(each)

    def repatch(self, resident: Resident, handle: ModelHandle) -> None:
        """Give a placed module the handle's patches, touching only layers for which they differ."""
        work = resident.repatch(handle.patches)
        self._count(layers_patched=work.rebuilt, layers_restored=work.restored, bytes_patched=work.bytes)

    def evict(self, resident: Resident) -> int:
        """Take a module's weights off its device; returns the bytes freed."""
        freed = resident.evict()
        resident.cramped = math.inf
        self._count(evictions=1)
        logger.info("evicted %s of %s (%d bytes)", resident.handle.part, resident.source, freed)
        if self._hook is not None:
            self._hook.after_model_evicted(handle=resident.handle, bytes_freed=freed)
        return freed

    def report(self) -> tuple[Holding, ...]:
        """Who holds how many bytes now, largest first."""
        holdings = (_holding(resident) for resident in self.all() if resident.placed)
        return tuple(sorted(holdings, key=lambda holding: (-holding.bytes, holding.key)))

    def _place(self, resident: Resident) -> None:
        outgrown = self._fits_better_now(resident)
        if outgrown:
            self.evict(resident)
        self._make_room(resident)
        if not resident.placed:
            self._load(resident, max(resident.least, self._free(resident) - self._working_bytes(resident)))
        if outgrown and resident.streamed_bytes:
            resident.cramped = self._working_bytes(resident)  # not again and again
        self._repatch_for(resident)

    def _repatch_for(self, resident: Resident) -> None:
        self.repatch(resident, resident.users[-1].handle)

    def _load(self, resident: Resident, room: int) -> None:
        if self._hook is not None:
            needed, call, handle = min(resident.size, room), current_call.get(), resident.users[-1].handle
            self._hook.before_model_load(handle=handle, bytes_needed=needed, job_id=call.job_id, node_id=call.node_id)
        started = self._clock()
        copied = resident.place(room)
        resident.reload_seconds = self._clock() - started
        self._count(loads=1, bytes_loaded=copied)
        if resident.streamed_bytes:
            held, streamed = resident.bytes, resident.streamed_bytes
            logger.info("%s holds %d bytes and streams %d", _name(resident), held, streamed)

    def _make_room(self, resident: Resident) -> None:
        others, limits = self._others(resident), self._limits(resident)
        working_bytes = self._working_bytes(resident) + resident.room_for(resident.users[-1].handle.patches)
        tightest = min(limits, key=lambda limit: limit.reachable(others) - limit.least)
        missing = tightest.least - tightest.reachable(others)
        lenders = {lender: lender.claimed - lender.least for lender in self._lenders(resident)}
        if missing > sum(lenders.values()):
            raise self._out_of_budget(resident, tightest.least, tightest.reachable(others) + sum(lenders.values()))
        room = max(0, -missing)
        if working_bytes > room:
            logger.warning("%s asks for %d bytes to work with; %d can be had", resident.source, working_bytes, room)
        for other in choose_leaving(limits, others, working_bytes, self._borrows):
            self.evict(other)
        for lender, spare in sorted(lenders.items(), key=lambda lending: -lending[1]):
            if missing > 0:
                self._shrink(lender, min(missing, spare))
                missing -= spare

    def _shrink(self, lender: Resident, bytes_: int) -> None:
        """Have a module in use stream so much more."""
        room = lender.claimed - bytes_
        self.evict(lender)
        lender.device.release_cached()
        self._load(lender, room)
        self._repatch_for(lender)
        lender.cramped = self._working_bytes(lender)

    def _fits_better_now(self, resident: Resident) -> bool:
        """Whether a module that streams would stream nothing, or much less, if it were placed anew."""
        working_bytes = self._working_bytes(resident)
        if not resident.streamed_bytes or len(resident.users) > 1 or working_bytes >= resident.cramped:
            return False
        others, limits = self._others(resident), self._limits(resident)
        most = min(limit.reachable(others) for limit in limits) + resident.bytes - working_bytes
        now = min(limit.free for limit in limits) - working_bytes
        return most >= resident.size or now >= resident.least + resident.size // 8

    def full(self, resident: Resident, *, loading: bool = False) -> DeviceFull:
        """That a module in use ran out of memory, with who holds what on its device."""
        holders = {_name(other): other.bytes for other in self._there(resident) if other.placed}
        free = max(0, self._free(resident))
        return DeviceFull(resident.device.name, _name(resident), free, holders, loading=loading)

    def _others(self, resident: Resident) -> list[Resident]:
        return [other for other in self._there(resident) if other.evictable]

    def _lenders(self, resident: Resident) -> list[Resident]:
        """Modules in use that would run with less than they hold."""
        others = (other for other in self._there(resident) if other is not resident and other.users and other.placed)
        spare = (other for other in others if not other.device.maps_files and other.claimed > other.least)
        return [other for other in spare if other.returns]

    def _there(self, resident: Resident) -> list[Resident]:
        return [other for other in self.all() if other.device is resident.device]

    def _limits(self, resident: Resident) -> list[Limit]:
        return limits_of(resident, self._there(resident))

    def _free(self, resident: Resident) -> int:
        return free_beside(resident, self._there(resident))

    def _working_bytes(self, resident: Resident) -> int:
        """What the borrowers there need beside weights; one computes at a time."""
        there = self._there(resident)
        return max((use.working_bytes for other in there for use in other.users), default=0)

    def _out_of_budget(self, resident: Resident, needed: int, free: int) -> OutOfBudget:
        in_use = (other for other in self._there(resident) if other.placed and other.users and other is not resident)
        holders = {_name(other): other.bytes for other in in_use}
        return OutOfBudget(resident.device.name, _name(resident), needed, free, holders, resident.device.budget)

    def _count(self, **more: int) -> None:
        grown = {name: getattr(self.counters, name) + number for name, number in more.items()}
        self.counters = replace(self.counters, **grown)


def _name(resident: Resident) -> str:
    return f"{resident.handle.part} of {resident.source}"


def _holding(resident: Resident) -> Holding:
    return Holding(
        key=resident.handle.key,
        part=resident.handle.part,
        family=resident.handle.identity.family,
        source=resident.source,
        device=resident.device.name,
        bytes=resident.bytes,
        mapped_bytes=resident.ledger.mapped,
        streamed_bytes=resident.streamed_bytes,
        patched_layers=len(resident.applied),
        borrowed=bool(resident.users),
        reload_seconds=resident.reload_seconds,
    )
