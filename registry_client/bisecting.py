"""Finds a guilty set of packs by running a command with parts of what is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement

from registry_client.lockfile import Lock, LockedPack
from registry_client.minimizing import smallest_failing
from sdk.registry import fold


@dataclass(frozen=True)
class Guilty:
    """The packs that make the command fail, none where it is not them; ``reason`` says what was found."""

    packs: tuple[str, ...]
    runs: int
    reason: str


def find_guilty(lock: Lock, fails: Callable[[Sequence[str]], bool]) -> Guilty:
    """A smallest set of enabled packs with which the command fails; each is run with the packs that it needs.

    Args:
        fails: runs the command with these packs alone.
    """
    enabled = {fold(pack.id): pack for pack in lock.packs if pack.enabled}
    known: dict[frozenset[str], bool] = {}

    def fails_with(packs: Sequence[str]) -> bool:
        chosen = frozenset(_with_needs(packs, enabled))
        if chosen not in known:
            known[chosen] = fails(sorted(enabled[folded].id for folded in chosen))
        return known[chosen]

    if not enabled or not fails_with(list(enabled)):
        return Guilty((), len(known), "the command works with all packs that are enabled.")
    if fails_with([]):
        return Guilty((), len(known), "the command fails without any pack too, so it is none of them.")
    found = smallest_failing(sorted(enabled), fails_with)
    names = tuple(enabled[folded].id for folded in found)
    together = "these packs together make" if len(names) > 1 else "this pack makes"
    return Guilty(names, len(known), f"{together} the command fail: {', '.join(names)}.")


def _with_needs(packs: Sequence[str], enabled: dict[str, LockedPack]) -> set[str]:
    found: set[str] = set()
    todo = list(packs)
    while todo:
        folded = todo.pop()
        if folded in enabled and folded not in found:
            found.add(folded)
            todo += [fold(Requirement(text).name) for text in enabled[folded].packs]
    return found
