"""Finding the packs that make a command fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from registry_client.bisecting import find_guilty
from registry_client.lockfile import Lock, LockedPack

LOCK = Lock(packs=tuple(LockedPack(id=f"p{number}", version="1", sha256=str(number)) for number in range(20)))


def test_a_pair_of_packs_is_found() -> None:
    found = find_guilty(LOCK, lambda packs: {"p3", "p17"} <= set(packs))
    assert set(found.packs) == {"p3", "p17"}
    assert found.runs < 60


def test_a_command_that_works_or_always_fails_is_nobodys_fault() -> None:
    assert find_guilty(LOCK, lambda packs: False).reason == "the command works with all packs that are enabled."
    assert "without any pack too" in find_guilty(LOCK, lambda packs: True).reason


def test_packs_run_with_what_they_need_and_disabled_ones_never() -> None:
    needy = replace(LOCK.packs[0], packs=("P1>=1",))
    lock = replace(LOCK, packs=(needy, *LOCK.packs[1:19], replace(LOCK.packs[19], enabled=False)))
    seen: list[Sequence[str]] = []

    def fails(packs: Sequence[str]) -> bool:
        seen.append(packs)
        return "p0" in packs

    assert find_guilty(lock, fails).packs == ("p0",)
    assert all("p1" in packs for packs in seen if "p0" in packs)
    assert not any("p19" in packs for packs in seen)
