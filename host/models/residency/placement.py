"""Puts modules on their devices, makes room for them, and keeps account of both."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch  # noqa: TID253 - this module is loaded when weights are

from host.models.errors import DeviceFull, OutOfBudget
from host.models.residency.limits import choose_leaving, limits_of
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

    def ready(self, resident: Resident, handle: ModelHandle, working_bytes: int) -> None:
        """Place a module with the handle's patches, after evicting what must leave for it.

        Where not all of its weights fit, part of them is streamed. Raises OutOfBudget where even that takes more than
        can be had; ``working_bytes`` are made free as far as possible.
        """
        self._borrows += 1
        resident.last_used = self._borrows
        self._make_room(resident, working_bytes)
        try:
            self._place(resident, handle, working_bytes)
        except torch.OutOfMemoryError as error:
            self._evict_others(resident)
            try:
                self._place(resident, handle, working_bytes)
            except torch.OutOfMemoryError:
                free = resident.device.free(self._held(resident))
                raise self._out_of_budget(resident, resident.least, free) from error
        resident.ledger.room = max(0, resident.device.free(self._held(resident)) - working_bytes - SPARE)

    def relieve(self, resident: Resident) -> None:
        """Make as much room as can be had for a borrowed module that ran out of it: others leave, and it streams."""
        self._evict_others(resident)
        if resident.placed and resident.least < resident.bytes:
            self.evict(resident)
            resident.device.release_cached()
            self._load(resident, resident.users[-1], resident.least)
            self.repatch(resident, resident.users[-1])

    def repatch(self, resident: Resident, handle: ModelHandle) -> None:
        """Give a placed module the handle's patches, touching only layers for which they differ."""
        work = resident.repatch(handle.patches)
        self._count(layers_patched=work.rebuilt, layers_restored=work.restored, bytes_patched=work.bytes)

    def evict(self, resident: Resident) -> int:
        """Take a module's weights off its device; returns the bytes freed."""
        freed = resident.evict()
        self._count(evictions=1)
        logger.info("evicted %s of %s (%d bytes)", resident.handle.part, resident.source, freed)
        if self._hook is not None:
            self._hook.after_model_evicted(handle=resident.handle, bytes_freed=freed)
        return freed

    def report(self) -> tuple[Holding, ...]:
        """Who holds how many bytes now, largest first."""
        holdings = (_holding(resident) for resident in self.all() if resident.placed)
        return tuple(sorted(holdings, key=lambda holding: (-holding.bytes, holding.key)))

    def _place(self, resident: Resident, handle: ModelHandle, working_bytes: int) -> None:
        if not resident.placed:
            free = resident.device.free(self._held(resident))
            self._load(resident, handle, max(resident.least, free - working_bytes))
        self.repatch(resident, handle)

    def _load(self, resident: Resident, handle: ModelHandle, room: int) -> None:
        if self._hook is not None:
            needed, call = min(resident.size, room), current_call.get()
            self._hook.before_model_load(handle=handle, bytes_needed=needed, job_id=call.job_id, node_id=call.node_id)
        started = self._clock()
        copied = resident.place(room)
        resident.reload_seconds = self._clock() - started
        self._count(loads=1, bytes_loaded=copied)
        if resident.streamed_bytes:
            held, streamed = resident.bytes, resident.streamed_bytes
            logger.info("%s holds %d bytes and streams %d", _name(resident), held, streamed)

    def _make_room(self, resident: Resident, working_bytes: int) -> None:
        others = self._others(resident)
        limits = limits_of(resident, self._there(resident))
        for limit in limits:
            reachable = limit.reachable(others)
            if limit.least > reachable:
                raise self._out_of_budget(resident, limit.least, reachable)
        room = min(limit.reachable(others) - limit.least for limit in limits)
        if working_bytes > room:
            logger.warning("%s asks for %d bytes to work with; %d can be had", resident.source, working_bytes, room)
        for other in choose_leaving(limits, others, working_bytes, self._borrows):
            self.evict(other)

    def _evict_others(self, resident: Resident) -> None:
        for other in self._others(resident):
            self.evict(other)
        resident.device.release_cached()

    def full(self, resident: Resident) -> DeviceFull:
        """That a module in use ran out of memory, with who holds what on its device."""
        free = resident.device.free(self._held(resident))
        return DeviceFull(resident.device.name, _name(resident), free, self._holders(resident))

    def _others(self, resident: Resident) -> list[Resident]:
        return [other for other in self.all() if other.device is resident.device and other.evictable]

    def _there(self, resident: Resident) -> list[Resident]:
        return [other for other in self.all() if other.device is resident.device]

    def _held(self, resident: Resident) -> int:
        return sum(other.bytes for other in self._there(resident))

    def _out_of_budget(self, resident: Resident, needed: int, free: int) -> OutOfBudget:
        holders = self._holders(resident)
        holders.pop(_name(resident), None)
        return OutOfBudget(resident.device.name, _name(resident), needed, free, holders)

    def _holders(self, resident: Resident) -> dict[str, int]:
        there = (other for other in self.all() if other.device is resident.device and other.placed)
        return {_name(other): other.bytes for other in there}

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
