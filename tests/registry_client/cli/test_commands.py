"""The commands as a user runs them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from host.cli import exit_code
from registry_client.cli import asking, bisecting, changing, comparing, locking
from registry_client.errors import LockDiffers
from sdk.commands import CommandError, ExitCode
from sdk.provenance import record_of
from sdk.registry import State
from sdk.terminal import NOISY_LIBRARIES
from sdk.workspace import read_generation
from tests.support.registry_folder import RegistryFolder, write_pack


@dataclass
class Terminal:
    """Calls commands with the options that say where things are, and gives back what they printed.

    Attributes:
        errors: what the last one wrote to standard error, in one line.
    """

    base: Path
    cache: Path
    registry: RegistryFolder
    capture: pytest.CaptureFixture[str]
    errors: str = ""

    def __call__(self, command: Callable[..., None], *arguments: Any, **options: Any) -> str:
        names = command.__annotations__
        given: dict[str, Any] = {"base_dir": self.base, "log_level": "error"}
        if "registry" in names:
            given |= {"registry": [self.registry.url], "cache_dir": self.cache}
        if "no_import_check" in names:
            given["no_import_check"] = True
        command(*arguments, **{**given, **options})
        printed = self.capture.readouterr()
        self.errors = " ".join(printed.err.split())
        return printed.out

    def json(self, command: Callable[..., None], *arguments: Any, **options: Any) -> Any:
        return json.loads(self(command, *arguments, as_json=True, **options))


@pytest.fixture
def logging_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands set up logging for a whole process; afterwards it is as before."""
    for name in NOISY_LIBRARIES:
        monkeypatch.setenv(name, "error")
    root, warnings = logging.getLogger(), logging.getLogger("py.warnings")
    levels, handlers = (root.level, warnings.level), list(root.handlers)
    yield
    root.setLevel(levels[0])
    warnings.setLevel(levels[1])
    root.handlers[:] = handlers
    logging.captureWarnings(False)


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], logging_kept: None) -> Terminal:
    registry = RegistryFolder(tmp_path / "registry")
    registry.publish_pack("acme-tint", "1.0", nodes=["Tint"])
    registry.publish_pack("acme-tint", "1.1", nodes=["Tint", "Glow"])
    registry.publish_pack("needy", "1.0", nodes=["Needy"], packs=("acme-tint>=1",))
    registry.publish_pack("rival", "1.0", nodes=["Tint", "Rival"])
    return Terminal(tmp_path / "base", tmp_path / "cache", registry, capsys)


def test_install_says_what_it_did_and_doing_it_again_says_so_too(terminal: Terminal) -> None:
    out = terminal(changing.install, ["needy"])
    assert out.splitlines() == ["+ acme-tint 1.1", "+ needy 1.0", "generation 1 is in use"]
    assert "nothing to do" in terminal(changing.install, ["needy"])


def test_a_dry_run_changes_nothing_and_json_is_json(terminal: Terminal) -> None:
    found = terminal.json(changing.install, ["needy"], dry_run=True)
    assert found["packs"] == [
        {"id": "acme-tint", "before": "", "after": "1.1"},
        {"id": "needy", "before": "", "after": "1.0"},
    ]
    assert found["generation"] is None
    assert "no pack is installed" in terminal(asking.list_packs)


def test_a_life_of_an_installation(terminal: Terminal, tmp_path: Path) -> None:
    terminal(changing.install, ["acme-tint==1.0"])
    (row,) = terminal.json(asking.outdated)
    assert (row["installed"], row["asked for"], row["newest usable"]) == ("1.0", "==1.0", "1.1")
    assert "1.0 → 1.1" in terminal(changing.install, ["acme-tint>=1.1"])
    assert terminal.json(asking.outdated) == []
    (row,) = terminal.json(asking.list_packs)
    assert (row["pack"], row["version"], row["nodes"]) == ("acme-tint", "1.1", 2)
    terminal(changing.update, ["acme-tint"])
    assert "acme-tint 1.1 keeps to acme-tint>=1.1, which you asked for" in terminal.errors
    assert "nothing was changed" in terminal(locking.rollback, dry_run=True)
    assert "1.1 → 1.0" in terminal(locking.rollback)
    assert [row["state"] for row in terminal.json(locking.generations)] == ["in use", ""]
    terminal(locking.lock, output=tmp_path / "mine.lock")
    assert terminal(locking.lock) == (tmp_path / "mine.lock").read_text()
    terminal(changing.uninstall, ["acme-tint"])
    with pytest.raises(CommandError) as caught:
        terminal(locking.sync, tmp_path / "mine.lock", check=True)
    assert exit_code(caught.value) is ExitCode.LOCK_DIFFERS
    assert "+ acme-tint 1.0" in terminal(locking.sync, tmp_path / "mine.lock", dry_run=True)
    assert "no pack is installed" in terminal(asking.list_packs)
    terminal(locking.sync, tmp_path / "mine.lock")
    assert "is what the lock says" in terminal(locking.sync, tmp_path / "mine.lock", check=True)
    assert "would delete 3 generation(s)" in terminal(locking.gc, keep=1, dry_run=True)
    assert "deleted 3 generation(s)" in terminal(locking.gc, keep=1)


def test_update_brings_the_newest(terminal: Terminal) -> None:
    terminal(changing.install, ["acme-tint<1.1"])
    terminal(changing.install, ["acme-tint"])
    assert "acme-tint 1.0 → 1.1" in terminal(changing.update)
    with pytest.raises(CommandError, match="no pack 'nope' is installed"):
        terminal(changing.update, ["nope"])


def test_a_place_that_can_not_be_written_to_is_named(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command, option in ((locking.lock, "output"), (comparing.duplicates, "html"), (asking.outdated, "cache_dir")):
        with pytest.raises(CommandError, match=r"file.below can't be written \((File exists|Not a directory)\)"):
            terminal(command, **{option: tmp_path / "file" / "below"})
    assert (tmp_path / "file").read_text() == ""


def test_questions_are_answered(terminal: Terminal) -> None:
    terminal(changing.install, ["needy"])
    assert terminal(asking.why, "acme-tint") == "needy 1.0 needs acme-tint>=1\n"
    assert terminal(asking.why, "needy") == "you asked for needy\n"
    assert [row["pack"] for row in terminal.json(asking.search, ["tint"])] == ["acme-tint", "rival"]
    assert [row["pack"] for row in terminal.json(asking.search, ["tint"], limit=1)] == ["acme-tint"]
    assert "provides the node Glow" in terminal(asking.search, ["Glow"])
    assert "provides the node Glow" in terminal(asking.search, ["glo"])
    assert terminal(asking.search, ["g%w"]) == "no pack has these words\n"
    shown = terminal(asking.info, "ACME_tint")
    for part in ("versions: 1.1, 1.0", "installed: 1.1", "nodes: Tint, Glow"):
        assert part in shown
    assert terminal.json(asking.info, "acme-tint")["installed"] == "1.1"
    for command, name in ((asking.info, "nope"), (asking.why, "nope")):
        with pytest.raises(CommandError) as caught:
            terminal(command, name)
        assert exit_code(caught.value) is ExitCode.NOT_FOUND


def test_a_strangers_texts_are_no_markup_and_forge_no_lines(terminal: Terminal) -> None:
    hostile = "[red]x[/red] [/nothing] \x1b[2J \u202e\nregistry: https://good.example"
    pack = terminal.registry.packs["needy"]
    terminal.registry.put(replace(pack, name=hostile, description=hostile, license=hostile), "metadata", "1.0")
    lines = terminal(asking.info, "needy").splitlines()
    shown = "[red]x[/red] [/nothing] \\x1b[2J \\u202e"
    assert lines[0] == f"needy  {shown} registry: https://good.example"
    assert lines[1:3] == [f"about: {shown}", "    registry: https://good.example"]
    assert [line for line in lines if line.startswith("registry: ")] == [f"registry: {terminal.registry.url}"]
    assert shown in terminal(asking.search, ["needy"])
    assert terminal.json(asking.info, "needy")["name"] == hostile


def test_an_audit_ends_with_a_code_of_its_own_when_something_is_serious(terminal: Terminal) -> None:
    terminal(changing.install, ["acme-tint"])
    assert "nothing was found" in terminal(asking.audit)
    terminal.registry.publish_pack("acme-tint", "1.1", nodes=["Tint", "Glow"], state=State.BANNED, reason="evil")
    with pytest.raises(CommandError) as caught:
        terminal(asking.audit)
    assert exit_code(caught.value) is ExitCode.CHECK_FAILED


def test_duplicate_nodes_are_decided_shown_and_switched_off(terminal: Terminal) -> None:
    with pytest.raises(CommandError) as caught:
        terminal(changing.install, ["acme-tint", "rival"])
    assert exit_code(caught.value) is ExitCode.DUPLICATE_NODES
    assert "node 'Tint' belongs to rival" in terminal(changing.install, ["acme-tint", "rival"], prefer=["rival"])
    (conflict,) = terminal.json(comparing.conflicts)
    assert conflict["level"] == "shadowed"
    assert "id" in {group["kind"] for group in terminal.json(comparing.duplicates)}
    assert "would disable rival" in terminal(changing.disable, ["rival"], dry_run=True)
    assert "disabled rival" in terminal(changing.disable, ["rival"])
    assert "nothing to do: rival is disabled already" in terminal(changing.disable, ["rival"])
    assert "everything goes together" in terminal(comparing.conflicts)


def test_duplicates_of_folders_and_of_the_whole_registry(terminal: Terminal, tmp_path: Path) -> None:
    write_pack(tmp_path / "packs" / "a", "a", "1", ["Same"])
    write_pack(tmp_path / "packs" / "b", "b", "1", ["same"])
    out = terminal(comparing.duplicates, [tmp_path / "packs"], html=tmp_path / "out.html")
    assert "folded id" in out
    assert "a" in (tmp_path / "out.html").read_text()
    (group,) = [g for g in terminal.json(comparing.duplicates, all_registry=True) if g["kind"] == "id"]
    assert {member["pack"] for member in group["members"]} == {"acme-tint", "rival"}


def test_a_workflows_packs_are_installed_and_doubt_is_left_to_the_user(terminal: Terminal, tmp_path: Path) -> None:
    workflow = tmp_path / "w.json"
    workflow.write_text(json.dumps({"1": {"class_type": "Needy", "inputs": {}}}))
    assert "+ needy 1.0" in terminal(changing.install, from_workflow=workflow)
    workflow.write_text(json.dumps({"1": {"class_type": "Rival", "inputs": {}}, "2": {"class_type": "Needy"}}))
    with pytest.raises(CommandError) as caught:
        terminal(changing.install, from_workflow=workflow)
    assert exit_code(caught.value) is ExitCode.DUPLICATE_NODES
    terminal(changing.uninstall, ["needy"])
    workflow.write_text(json.dumps({"1": {"class_type": "Tint", "inputs": {}}}))
    with pytest.raises(CommandError, match="'Tint': acme-tint, rival"):
        terminal(changing.install, from_workflow=workflow)
    assert "+ rival" in terminal(changing.install, from_workflow=workflow, choose=["rival"])


def test_a_folder_is_installed_from_where_it_lies(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pack(tmp_path / "mine", "mine", "0.1", ["Mine"])
    monkeypatch.chdir(tmp_path)
    assert f"+ mine 0.1 (from {tmp_path / 'mine'})" in terminal(changing.install, ["./mine"])


def test_bisect_finds_the_guilty_packs_by_running_a_command(terminal: Terminal, tmp_path: Path) -> None:
    terminal(changing.install, ["needy", "rival"], prefer=["rival"])
    check = tmp_path / "check.py"
    check.write_text("import os, sys\nsys.exit('rival' in os.environ['COMFY_NODES_PACKS'].split(','))")
    line = f"{sys.executable} {check}"
    with pytest.raises(CommandError, match="this pack makes the command fail: rival"):
        terminal(bisecting.bisect, check=line)
    check.write_text("")
    assert "works with all packs" in terminal(bisecting.bisect, check=line)
    before = terminal.json(asking.list_packs)
    assert terminal.json(asking.list_packs) == before


@pytest.mark.e2e
def test_the_program_loads_no_heavy_library_for_a_list(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['comfy-nodes', 'list', '--json', '--base-dir', sys.argv[1]]\n"
        "from host.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'httpx', 'resolvelib', 'zstandard', 'sqlite3', 'fastapi'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.e2e
def test_a_pack_is_installed_and_its_node_is_there(terminal: Terminal, tmp_path: Path) -> None:
    places = ["--base-dir", str(terminal.base)]
    registry = ["--registry", terminal.registry.url, "--cache-dir", str(terminal.cache)]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "host.cli", *arguments, *places]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    done = run("install", "needy", *registry)
    assert done.returncode == 0, done.stderr
    shown = run("nodes", "show", "Needy", "--json")
    assert json.loads(shown.stdout)["Needy"]["category"] == "tests"
    refused = run("install", "rival", *registry, "--json")
    assert refused.returncode == ExitCode.DUPLICATE_NODES
    assert json.loads(refused.stdout)["error"]["duplicates"]["Tint"] == [["acme-tint", "1.1"], ["rival", "1.0"]]
    assert run("uninstall", "needy", *registry).returncode == 0
    assert run("nodes", "show", "Needy").returncode != 0


def test_disabling_what_another_pack_needs_is_done_and_said(terminal: Terminal) -> None:
    terminal(changing.install, ["needy"])
    assert terminal.json(changing.disable, ["acme-tint"], dry_run=True)["warnings"] == [
        "needy 1.0 needs acme-tint>=1, which is disabled"
    ]
    terminal(changing.disable, ["acme-tint"])
    assert "warning: needy 1.0 needs acme-tint>=1, which is disabled" in terminal.errors
    terminal(changing.enable, ["acme-tint"])
    assert terminal.errors == ""


def test_a_picture_s_packs_are_compared_and_brought_back(terminal: Terminal, tmp_path: Path) -> None:
    terminal(changing.install, ["acme-tint==1.0"])
    record = record_of(read_generation(terminal.base))
    picture = tmp_path / "picture.json"
    picture.write_text(json.dumps(record))
    assert terminal.json(locking.sync, picture, check=True)["differences"] == []
    terminal(changing.install, ["acme-tint==1.1"])
    with pytest.raises(LockDiffers, match=r"1\.0 is wanted, and 1\.1 is installed\nRun `comfy-nodes sync .*json`"):
        terminal(locking.sync, picture, check=True)
    assert terminal.json(locking.sync, picture, dry_run=True)["packs"] == [
        {"id": "acme-tint", "before": "1.1", "after": "1.0"}
    ]
    assert "1.1 → 1.0" in terminal(locking.sync, picture)
    assert "nothing to do" in terminal(locking.sync, picture)


def test_a_damaged_generation_is_listed_as_such(terminal: Terminal) -> None:
    terminal(changing.install, ["acme-tint==1.0"])
    terminal(changing.install, ["acme-tint==1.1"])
    (terminal.base / "packs" / "generations" / "2" / "generation.json").write_text("{")
    assert [row["state"] for row in terminal.json(locking.generations)] == ["", "in use, damaged"]
    assert "1.0" in terminal(locking.rollback)
    assert [row["version"] for row in terminal.json(asking.list_packs)] == ["1.0"]
