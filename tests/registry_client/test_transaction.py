"""Installing is wholly or not at all, whatever happens."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from registry_client.errors import DuplicateNodes, ImportFailed, InstallFailed, Mismatch, NotThere, Unreachable
from registry_client.fetch import Addresses
from registry_client.host_program import ImportReport
from registry_client.lockfile import Lock, LockedWheel, encode_lock
from registry_client.packages.choosing import parse_pins
from registry_client.packages.uv import Uv
from registry_client.transaction import Installer, collect_garbage
from registry_client.watching import Nobody
from registry_client.workspace import Workspace
from sdk.workspace import read_generation
from tests.support.registry_client import locked
from tests.support.registry_folder import RegistryFolder, write_wheel, zip_bytes

KILLED = """
import os, signal, sys
from pathlib import Path
from registry_client.fetch import Addresses
from registry_client.host_program import ImportReport
from registry_client.lockfile import read_lock
from registry_client.packages.uv import Uv
from registry_client.transaction import Installer
from registry_client.watching import Nobody
from registry_client.workspace import Workspace

base, lock, wheels, last = sys.argv[1:]

class Plug(Nobody):
    left = int(last)
    def step(self, name):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

workspace = Workspace(Path(base))
with workspace.exclusive():
    Installer(
        workspace=workspace, uv=Uv((wheels,), offline=True), origins=Addresses(), watcher=Plug(),
        check=lambda folder: ImportReport(),
    ).install(read_lock(Path(lock)), "test")
"""


class Steps(Nobody):
    """Notes the steps, and fails at one."""

    def __init__(self, fail_at: str = "", error: Exception | None = None) -> None:
        self.seen: list[str] = []
        self._fail_at, self._error = fail_at, error

    def step(self, name: str) -> None:
        self.seen.append(name)
        if self._error and name == self._fail_at:
            raise self._error


@pytest.fixture
def registry(tmp_path: Path) -> RegistryFolder:
    made = RegistryFolder(tmp_path / "registry")
    made.publish_pack("a", "1.0", nodes=["A"])
    made.publish_pack("a", "2.0", nodes=["A"])
    made.publish_pack("b", "1.0", nodes=["B"])
    return made


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    write_wheel(tmp_path / "wheels", "grey-lib", "1.0", {"grey_lib.py": "V = 1"})
    return tmp_path / "wheels"


@pytest.fixture
def grey(wheels: Path, tmp_path: Path) -> LockedWheel:
    (tmp_path / "in.txt").write_text("grey-lib\n")
    (tmp_path / "none.txt").write_text("")
    return parse_pins(Uv((str(wheels),), offline=True).compile(tmp_path / "in.txt", tmp_path / "none.txt"))[0]


def installer(base: Path, watcher: Nobody | None = None, wheels: Path | None = None, **more: object) -> Installer:
    uv = Uv((str(wheels),) if wheels else (), offline=True)
    watcher = watcher or Nobody()
    return Installer(workspace=Workspace(base), uv=uv, origins=Addresses(), watcher=watcher, **more)  # type: ignore[arg-type]


def state(base: Path) -> tuple[int, list[str]]:
    """The generation in use with its packs, all of whose files are there."""
    generation = read_generation(base)
    assert generation is not None
    for pack in generation.packs:
        assert (pack.folder / "pyproject.toml").is_file()
    assert generation.site is None or generation.site.is_dir()
    assert generation.lock.is_file()
    return generation.number, [f"{pack.id} {pack.version}" for pack in generation.packs]


def test_a_kill_at_any_step_leaves_the_old_generation_or_the_new_one(
    registry: RegistryFolder, grey: LockedWheel, wheels: Path, tmp_path: Path
) -> None:
    old = Lock(packs=(locked(registry, "a", "1.0"),))
    new = Lock(packs=(locked(registry, "a", "2.0"), locked(registry, "b")), wheels=(grey,))
    (tmp_path / "new.lock").write_bytes(encode_lock(new))
    steps = Steps()
    installer(tmp_path / "measured", steps, wheels, check=lambda folder: ImportReport()).install(new, "test")
    ends = []
    for killed_at in range(len(steps.seen)):
        base = tmp_path / f"base-{killed_at}"
        installer(base).install(old, "test")
        line = [sys.executable, "-c", KILLED, str(base), str(tmp_path / "new.lock"), str(wheels), str(killed_at)]
        done = subprocess.run(line, capture_output=True, check=False)
        assert done.returncode == -9, done.stderr.decode()
        number, packs = state(base)
        assert packs == (["a 1.0"] if number == 1 else ["a 2.0", "b 1.0"])
        ends.append(number)
        workspace = Workspace(base)
        with workspace.exclusive():
            assert not workspace.staging.exists()
            assert state(base) == (number, packs)
            assert (
                workspace.published_lock.read_bytes() == (workspace.current() or pytest.fail("gone")).lock.read_bytes()
            )
            installer(base, wheels=wheels).install(new, "again")
        assert state(base)[1] == ["a 2.0", "b 1.0"]
    assert ends == sorted(ends)
    assert ends[0] == 1
    assert ends[-1] == 2


def test_a_full_disk_at_any_step_changes_nothing(
    registry: RegistryFolder, grey: LockedWheel, wheels: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    installer(base).install(Lock(packs=(locked(registry, "a", "1.0"),)), "test")
    new = Lock(packs=(locked(registry, "a", "2.0"), locked(registry, "b")), wheels=(grey,))
    steps = Steps()
    installer(tmp_path / "measured", steps, wheels).install(new, "test")
    for name in steps.seen[:-1]:
        full = OSError(errno.ENOSPC, "No space left on device")
        with pytest.raises(InstallFailed, match=r"No space left on device.*Nothing was changed"):
            installer(base, Steps(name, full), wheels).install(new, "test")
        assert state(base) == (1, ["a 1.0"])
        assert not Workspace(base).staging.exists()
    installer(base, wheels=wheels).install(new, "test")
    assert state(base)[1] == ["a 2.0", "b 1.0"]


def test_a_registry_that_goes_away_changes_nothing(registry: RegistryFolder, tmp_path: Path) -> None:
    base, new = tmp_path / "base", Lock(packs=(locked(registry, "a", "2.0"),))
    installer(base).install(Lock(packs=(locked(registry, "a", "1.0"),)), "test")
    (registry.root / registry.packs["a"].releases[-1].url).unlink()
    with pytest.raises(NotThere):
        installer(base).install(new, "test")
    away = replace(new.packs[0], registry="http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        installer(base).install(replace(new, packs=(away,)), "test")
    assert state(base) == (1, ["a 1.0"])


@pytest.mark.parametrize("forged", [zip_bytes({"pyproject.toml": "other"}), b"cut off"])
def test_an_archive_that_is_not_the_locked_one_is_refused(
    registry: RegistryFolder, tmp_path: Path, forged: bytes
) -> None:
    wanted = locked(registry, "b")
    registry.write(wanted.url, forged)
    with pytest.raises(Mismatch):
        installer(tmp_path / "base").install(Lock(packs=(wanted,)), "test")
    assert read_generation(tmp_path / "base") is None


def test_an_archive_longer_than_announced_is_not_read_to_its_end(registry: RegistryFolder, tmp_path: Path) -> None:
    wanted = replace(locked(registry, "b"), size=10)
    with pytest.raises(Mismatch, match="10 bytes"):
        installer(tmp_path / "base").install(Lock(packs=(wanted,)), "test")


def test_a_pack_that_can_not_be_imported_changes_nothing(registry: RegistryFolder, tmp_path: Path) -> None:
    broken = installer(tmp_path / "base", check=lambda folder: ImportReport(failures={"b": "it raised."}))
    with pytest.raises(ImportFailed, match=r"b: it raised\."):
        broken.install(Lock(packs=(locked(registry, "b"),)), "test")
    assert read_generation(tmp_path / "base") is None
    assert Workspace(tmp_path / "base").numbers() == []


def test_nodes_that_only_show_when_imported_are_checked_too(registry: RegistryFolder, tmp_path: Path) -> None:
    packs = (locked(registry, "a"), locked(registry, "b"))
    report = ImportReport(nodes={"a": ("A", "Made"), "b": ("B", "Made")})
    with pytest.raises(DuplicateNodes, match="'Made'"):
        installer(tmp_path / "base", check=lambda folder: report).install(Lock(packs=packs), "test")
    decided = Lock(packs=packs, owners={"Made": "b"})
    assert installer(tmp_path / "base", check=lambda folder: report).install(decided, "test").owners == {"Made": "b"}


def test_what_is_in_the_store_is_not_fetched_again(registry: RegistryFolder, tmp_path: Path) -> None:
    base, steps = tmp_path / "base", Steps()
    lock = Lock(packs=(locked(registry, "a"),))
    installer(base).install(lock, "test")
    installer(base, steps).install(lock, "again")
    assert "download" not in steps.seen
    assert state(base)[0] == 2


def test_an_install_script_runs_only_when_allowed_and_in_a_folder_of_its_own(tmp_path: Path) -> None:
    registry = RegistryFolder(tmp_path / "registry")
    registry.publish_pack("s", "1.0", files={"install.py": "open('ran', 'w').close()"})
    pack = locked(registry, "s")
    base = tmp_path / "base"
    without = installer(base).install(Lock(packs=(pack,)), "test")
    assert not (without.packs[0].folder / "ran").exists()
    allowed = installer(base).install(Lock(packs=(replace(pack, scripts=True),)), "test")
    assert (allowed.packs[0].folder / "ran").is_file()
    assert not (without.packs[0].folder / "ran").exists()


def test_an_install_script_that_fails_changes_nothing(tmp_path: Path) -> None:
    registry = RegistryFolder(tmp_path / "registry")
    registry.publish_pack("s", "1.0", files={"install.py": "raise SystemExit('no compiler')"})
    with pytest.raises(InstallFailed, match=r"install\.py of s 1\.0 failed: no compiler"):
        installer(tmp_path / "base").install(Lock(packs=(replace(locked(registry, "s"), scripts=True),)), "test")
    assert read_generation(tmp_path / "base") is None


def test_old_generations_are_kept_until_they_are_collected(registry: RegistryFolder, tmp_path: Path) -> None:
    base = tmp_path / "base"
    one = installer(base).install(Lock(packs=(locked(registry, "a", "1.0"),)), "test")
    two = installer(base).install(Lock(packs=(locked(registry, "a", "2.0"),)), "test")
    three = installer(base).install(Lock(packs=(locked(registry, "b"),)), "test")
    workspace = Workspace(base)
    workspace.switch(two.number)
    dropped, freed = collect_garbage(workspace, 1)
    assert dropped == [1]
    assert freed > 0
    assert not one.packs[0].folder.exists()
    assert two.packs[0].folder.is_dir()
    assert three.packs[0].folder.is_dir()
    assert workspace.numbers() == [2, 3]
