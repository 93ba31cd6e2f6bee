"""Installing where the disk is full, can't be written to, or knows no links: real file systems, real processes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sdk.commands import ExitCode
from tests.support.command_line import SECONDS, CommandLine
from tests.support.registry_folder import RegistryFolder, write_wheel

pytestmark = pytest.mark.e2e
NO_LINKS = """
import errno, os

def _refuse(*places, **options):
    raise OSError(errno.EPERM, "this file system knows no links")

os.link = os.symlink = _refuse
"""


@cache
def own_mounts() -> tuple[str, ...]:
    """The command that gives a program mounts of its own; empty where this system does not allow that."""
    for options in (["--mount"], ["--map-root-user", "--mount"]):
        line = [shutil.which("unshare") or "unshare", *options]
        try:
            probe = subprocess.run([*line, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
        except OSError:
            return ()
        if probe.returncode == 0:
            return tuple(line)
    return ()


needs_mounts = pytest.mark.skipif(
    not own_mounts(), reason="needs `unshare --mount` of util-linux and a system that allows it (Linux, not in a jail)"
)


@dataclass
class Machine:
    """A base folder with one pack, and commands that run where the base folder is mounted in some way."""

    command: CommandLine
    registry: RegistryFolder

    @property
    def base(self) -> Path:
        return self.command.base

    def mounted(self, mount: str, *commands: Sequence[object]) -> list[tuple[int, Any]]:
        """How each command of ``comfy-nodes`` ended there, one after the other, and the JSON that it printed."""
        lines = [shlex.join([sys.executable, "-m", "host.cli", *map(str, line), "--json"]) for line in commands]
        script = "\n".join(["set -e", mount, "set +e", *(f"{line}; printf '\\0%s\\0' $?" for line in lines)])
        done = subprocess.run(
            [*own_mounts(), "sh", "-c", script],
            cwd=self.base.parent,
            env=self.command.environment,
            capture_output=True,
            text=True,
            timeout=3 * SECONDS,
            check=True,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        parts = done.stdout.split("\0")
        return [(int(code), json.loads(said)) for said, code in zip(parts[::2], parts[1::2], strict=False)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    registry = RegistryFolder(tmp_path / "registry")
    registry.publish_pack("small", "1.0", nodes=["Small"])
    registry.publish_pack("large", "1.0", nodes=["Large"], files={"data.bin": os.urandom(3_000_000)})
    registry.publish_pack("grey", "1.0", nodes=["Grey"], dependencies=("grey-lib",), imports="import grey_lib")
    write_wheel(tmp_path / "wheels", "grey-lib", "1.0", {"grey_lib.py": "V = 1"})
    (tmp_path / "base" / "models").mkdir(parents=True)
    (tmp_path / "comfy").mkdir()
    command = CommandLine(tmp_path / "base")
    command.environment |= {
        "COMFY_PACKS_REGISTRY": registry.url,
        "COMFY_PACKS_CACHE": str(tmp_path / "cache"),
        "COMFY_NODES_BASE_DIR": str(tmp_path / "base"),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_OFFLINE": "1",
    }
    ended = command("install", "small")
    assert ended.code == 0, ended.err
    return Machine(command, registry)


def packs(rows: list[dict[str, Any]]) -> list[str]:
    return [row["pack"] for row in rows]


@needs_mounts
def test_a_full_disk_changes_nothing_and_a_smaller_pack_still_fits(machine: Machine) -> None:
    base = shlex.quote(str(machine.base))
    mount = f"cp -r {base} seed; mount -t tmpfs -o size=1m none {base}; cp -r seed/. {base}"
    failed, listed, conflicts, smaller, after = machine.mounted(
        mount, ("install", "large"), ("list",), ("conflicts",), ("install", "--find-links", "wheels", "grey"), ("list",)
    )
    assert failed[0] == ExitCode.FAILURE
    assert "No space left on device" in failed[1]["error"]["message"]
    assert "Nothing was changed" in failed[1]["error"]["message"]
    assert packs(listed[1]) == ["small"]
    assert conflicts == (0, [])
    assert smaller[0] == 0
    assert packs(after[1]) == ["grey", "small"]


@needs_mounts
def test_an_installation_that_can_only_be_read_is_used_and_says_so_when_it_is_changed(machine: Machine) -> None:
    base = shlex.quote(str(machine.base))
    mount = f"mount --bind {base} {base}; mount -o remount,bind,ro {base}"
    changing = (("install", "large"), ("uninstall", "small"), ("update",), ("disable", "small"), ("rollback",), ("gc",))
    workflow = machine.base.parent / "workflow.json"
    workflow.write_text(
        json.dumps(
            {
                "1": {"class_type": "Small", "inputs": {"text": "it runs"}},
                "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
            }
        )
    )
    answers = machine.mounted(mount, *changing, ("list",), ("install", "large", "--dry-run"), ("run", workflow))
    for command, (code, said) in zip(changing, answers, strict=False):
        assert code == ExitCode.FAILURE, command
        assert "can't be written to" in said["error"]["message"], command
    listed, dry, ran = answers[len(changing) :]
    assert packs(listed[1]) == ["small"]
    assert [pack["id"] for pack in dry[1]["packs"]] == ["large"]
    assert ran[0] == 0, ran
    assert ran[1]["outputs"]["2"]["text"] == ["it runs small 1.0"]


@needs_mounts
def test_the_base_folder_may_lie_on_another_disk_than_the_caches(machine: Machine) -> None:
    """No hard link leads from one file system to another, so uv and we have to copy."""
    base = shlex.quote(str(machine.base))
    mount = f"mount -t tmpfs none {base}; mkdir {base}/models"
    installed, listed, linked = machine.mounted(
        mount, ("install", "--find-links", "wheels", "grey", "small"), ("list",), ("conflicts",)
    )
    assert installed[0] == 0, installed[1]
    assert packs(listed[1]) == ["grey", "small"]
    assert linked == (0, [])


def test_no_links_are_needed(machine: Machine) -> None:
    (machine.base.parent / "patched").mkdir()
    (machine.base.parent / "patched" / "sitecustomize.py").write_text(NO_LINKS)
    machine.command.environment |= {
        "PYTHONPATH": f"{machine.base.parent / 'patched'}{os.pathsep}{Path(__file__).parents[2]}",
        "UV_LINK_MODE": "copy",
    }
    proof = subprocess.run(
        [sys.executable, "-c", "import os; os.link('a', 'b')"],
        env=machine.command.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "knows no links" in proof.stderr
    for line in (
        ("install", "grey", "--find-links", machine.base.parent / "wheels"),
        ("update", "--find-links", machine.base.parent / "wheels"),
        ("rollback",),
        ("uninstall", "small"),
        ("gc", "--keep", "1"),
    ):
        ended = machine.command(*line)
        assert ended.code == 0, ended.err
    assert machine.command("list", "--json").json == []
