"""Decides who leaves a device when room is needed. Pure: no tensor, no device, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model on a device, as far as eviction is concerned.

    Attributes:
        bytes: what the device gets back when it leaves.
        reload_seconds: what bringing it back took the last time.
        idle: how many times any model was borrowed since this one was.
        evictable: whether it may leave; not while it is borrowed.
    """

    key: str
    bytes: int
    reload_seconds: float = 0.0
    idle: int = 0
    evictable: bool = True

    @property
    def value(self) -> float:
        """What keeping a byte of it is worth: seconds saved, the less likely the longer nobody asked for it."""
        return self.reload_seconds / self.bytes / (1 + self.idle) if self.bytes else float("inf")


def choose_evictions(residents: Iterable[Candidate], free: int, needed: int) -> tuple[str, ...]:
    """Keys of those to evict, least valuable first, so that ``needed`` bytes fit; none more than necessary.

    Where even all evictable ones wouldn't do, all of them. After GreedyDual-Size (Cao & Irani 1997): a model's worth
    is its reload cost by size, discounted by how long it lay idle.
    """
    short = needed - free
    if short <= 0:
        return ()
    order = sorted(
        (candidate for candidate in residents if candidate.evictable and candidate.bytes > 0),
        key=lambda candidate: (candidate.value, -candidate.idle, -candidate.bytes, candidate.key),
    )
    chosen: list[Candidate] = []
    freed = 0
    for candidate in order:
        if freed >= short:
            break
        chosen.append(candidate)
        freed += candidate.bytes
    for candidate in reversed(chosen.copy()):
        if freed - candidate.bytes >= short:
            chosen.remove(candidate)
            freed -= candidate.bytes
    return tuple(candidate.key for candidate in chosen)
