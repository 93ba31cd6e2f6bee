"""What does not go together, and what there is to know about what is installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from registry_client.auditing import audit_lock
from registry_client.conflicts import find_conflicts
from registry_client.lockfile import Lock, LockedPack, LockedWheel
from registry_client.ownership import Claimant
from registry_client.store import Store
from registry_client.workspace import Workspace
from sdk.registry import Deprecation, State
from tests.support.registry_client import HOST, MemoryIndex, pack, release


def locked(name: str, **facts: object) -> LockedPack:
    return LockedPack(id=name, version="1", sha256=f"sha-{name}", registry="memory:", **facts)  # type: ignore[arg-type]


def stored(tmp_path: Path, *packs: LockedPack) -> Workspace:
    workspace = Workspace(tmp_path)
    for one in packs:
        Store(workspace.store).folder(one).mkdir(parents=True)
    return workspace


def test_conflicts_come_in_three_levels(tmp_path: Path) -> None:
    packs = (
        locked("a", nodes=("X", "Y", "Load Image")),
        locked("b", nodes=("X", "load_image", "KSampler"), dependencies=("torch<2", "numpy; python_version<'3'")),
        locked("c", packs=("a>=2", "gone", "off"), nodes=("Y",)),
        locked("off", enabled=False, nodes=("X",)),
    )
    lock = Lock(packs=packs, owners={"X": "a"}, wheels=(LockedWheel(name="numpy", version="1.0"),))
    workspace = stored(tmp_path, packs[0], packs[1], packs[3])
    core = Claimant("core", "0.1.0", frozenset({"KSampler"}))
    found = find_conflicts(lock, HOST, core, Store(workspace.store))
    by_level: dict[str, str] = {}
    for item in found:
        by_level[item.level] = by_level.get(item.level, "") + item.problem + "\n"
    for part in (
        "files of c 1 are gone",
        "b 1 needs torch<2, and the host has 2.13.0+cpu",
        "c 1 needs a>=2, and a 1 is installed",
        "needs gone, which is not installed",
        "needs off, which is disabled",
        "node 'Y' belongs to nobody",
        "node 'KSampler' belongs to nobody",
    ):
        assert part in by_level["hard"]
    assert "node 'X' belongs to a; the others are b/X" in by_level["shadowed"]
    assert "numpy 1.0 is hidden by the host's 2.4.6" in by_level["shadowed"]
    assert "a/Load Image, b/load_image" in by_level["information"]


def test_an_installation_that_is_in_order_has_none(tmp_path: Path) -> None:
    one = locked("a", nodes=("X",), dependencies=("torch>=2",))
    workspace = stored(tmp_path, one)
    lock = Lock(packs=(one,))
    assert find_conflicts(lock, HOST, None, Store(workspace.store)) == []
    index = MemoryIndex(pack("a", release("1", sha256="sha-a")))
    assert audit_lock(lock, index, workspace) == []


def test_an_audit_names_what_was_withdrawn_replaced_or_found(tmp_path: Path) -> None:
    packs = tuple(locked(name) for name in ("banned", "forged", "lost", "gone", "noisy", "yanked"))
    workspace = stored(tmp_path, *packs[1:])
    index = MemoryIndex(
        pack("banned", release("1", sha256="sha-banned", state=State.BANNED, reason="steals keys")),
        pack("forged", release("1", sha256="other")),
        pack("lost", release("2")),
        pack("noisy", release("1", sha256="sha-noisy", findings={"high": 2}, deprecated=Deprecation(reason="old"))),
        pack("yanked", release("1", sha256="sha-yanked", state=State.YANKED, reason="bad")),
    )
    found = {
        (finding.level, finding.pack): finding.problem for finding in audit_lock(Lock(packs=packs), index, workspace)
    }
    assert "steals keys" in found["high", "banned"]
    assert "another archive" in found["high", "forged"]
    assert "version is not listed" in found["high", "lost"]
    assert "does not list it" in found["high", "gone"]
    assert "2 serious" in found["high", "noisy"]
    assert "deprecated: old" in found["info", "noisy"]
    assert "yanked: bad" in found["medium", "yanked"]


def test_an_audit_tells_a_pack_that_would_now_come_from_another_registry(tmp_path: Path) -> None:
    one = replace(locked("a"), registry="https://first.example")
    (finding,) = audit_lock(Lock(packs=(one,)), MemoryIndex(pack("a", release("1"))), stored(tmp_path, one))
    assert "now taken from memory:" in finding.problem


def test_an_audit_without_a_registry_looks_at_the_files(tmp_path: Path) -> None:
    direct = replace(locked("a", source="./a", scripts=True), registry="")
    levels = [finding.level for finding in audit_lock(Lock(packs=(direct,)), None, Workspace(tmp_path))]
    assert levels == ["high", "info", "info"]
