"""What limits how much a device holds: its memory, and the budget that a user may have set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from host.models.residency.eviction import Candidate, choose_evictions
from host.models.residency.resident import Resident


@dataclass(frozen=True)
class Limit:
    """A limit of a device, as a module meets it that is to run there.

    Attributes:
        counts: what of a module that is there counts.
        free: bytes that may still be filled.
        needed: what placing the module takes; nothing where it is there already.
        least: with how little it can run.
    """

    counts: Callable[[Resident], int]
    free: int
    needed: int
    least: int

    def reachable(self, others: Sequence[Resident]) -> int:
        """What would be free if these left."""
        return self.free + sum(map(self.counts, others))


def free_beside(resident: Resident, there: Sequence[Resident]) -> int:
    """Bytes that a module may still fill of its device, where those modules, it among them, are ``there``.

    Room for what others in use stream is theirs.
    """
    on_the_way = sum(other.claimed - other.bytes for other in there if other is not resident)
    return resident.device.free(sum(map(_total, there))) - on_the_way


def limits_of(resident: Resident, there: Sequence[Resident]) -> list[Limit]:
    """The limits of a module's device, where those modules are ``there``.

    Pages of mapped files count for a budget alone: as memory the system takes them back when it needs to.
    """
    device, placed = resident.device, resident.placed

    def limit(counts: Callable[[Resident], int], free: int, needed: int, least: int) -> Limit:
        return Limit(counts, free, *((0, 0) if placed else (needed, least)))

    held = sum(map(_total, there))
    if not device.maps_files:
        return [limit(_total, free_beside(resident, there), resident.size, resident.least)]
    memory = limit(_own, device.free(sum(map(_own, there))), resident.own_size, resident.own_size)
    if device.budget is None:
        return [memory]
    return [memory, limit(_total, max(0, device.budget - held), resident.size, resident.least)]


def choose_leaving(
    limits: Sequence[Limit], others: Sequence[Resident], working_bytes: int, borrows: int
) -> list[Resident]:
    """Those of the others that leave, so that the module and its working bytes stay within all limits.

    Where even all others wouldn't do, all of them. ``borrows`` is how many there have been until now.
    """
    leaving: list[Resident] = []
    for limit in limits:
        staying = {other.handle.key: other for other in others if other not in leaving}
        candidates = [_candidate(other, limit.counts(other), borrows) for other in staying.values()]
        free = limit.reachable(leaving)
        leaving += map(staying.__getitem__, choose_evictions(candidates, free, limit.needed + working_bytes))
    return leaving


def _candidate(other: Resident, size: int, borrows: int) -> Candidate:
    idle = borrows - other.last_used
    return Candidate(key=other.handle.key, bytes=size, reload_seconds=other.reload_seconds, idle=idle)


def _total(resident: Resident) -> int:
    return resident.bytes


def _own(resident: Resident) -> int:
    return resident.ledger.own
