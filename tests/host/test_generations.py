"""The host loads what was installed: packs in their folders, with the decisions that were taken about them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from host.api.node_info import NodeInfo
from host.app import create_host
from host.engine.catalogue import Catalogue
from host.generation_check import check
from host.settings import load_settings
from sdk.nodes import NodeType
from sdk.workspace import (
    BadGeneration,
    Generation,
    InstalledPack,
    default_base_dir,
    encode_generation,
    read_generation,
    read_generation_folder,
)
from tests.support.registry_folder import write_pack


def install(base: Path, *packs: tuple[str, list[str], bool], owners: dict[str, str] | None = None) -> Generation:
    """Lay a generation out as an installer does."""
    root = base / "packs"
    installed = []
    for name, nodes, enabled in packs:
        folder = write_pack(root / "store" / f"sha-{name}" / name, name, "1.0", nodes)
        installed.append(InstalledPack(id=name, version="1.0", folder=folder, sha256=f"sha-{name}", enabled=enabled))
    generation = Generation(
        number=1, folder=root / "generations" / "1", packs=tuple(installed), owners=owners or {}, command="test"
    )
    generation.folder.mkdir(parents=True)
    (generation.folder / "generation.json").write_bytes(encode_generation(generation))
    (root / "current").write_text("1\n")
    return generation


def test_a_generation_survives_writing_and_reading_and_may_be_moved(tmp_path: Path) -> None:
    written = install(tmp_path / "old", ("gen-a", ["A"], True), owners={"A": "gen-a"})
    assert read_generation(tmp_path / "old") == written
    (tmp_path / "old").rename(tmp_path / "new")
    moved = read_generation(tmp_path / "new")
    assert moved is not None
    assert moved.packs[0].folder == tmp_path / "new/packs/store/sha-gen-a/gen-a"


def test_the_host_loads_enabled_packs_of_the_generation_in_use(tmp_path: Path) -> None:
    install(tmp_path, ("gen-on", ["Lit"], True), ("gen-off", ["Dark"], False))
    host = create_host(load_settings({"base_dir": tmp_path}, {}, tmp_path))
    lit = host.catalogue.find("Lit")
    assert lit is not None
    assert (lit.pack, lit.pack_version) == ("gen-on", "1.0")
    assert host.catalogue.find("Dark") is None
    safe = create_host(load_settings({"base_dir": tmp_path, "safe_mode": True}, {}, tmp_path))
    assert safe.catalogue.find("Lit") is None


def test_a_contested_name_belongs_to_the_decided_owner_whoever_loads_first(tmp_path: Path) -> None:
    install(tmp_path, ("gen-one", ["Same"], True), ("gen-two", ["Same"], True), owners={"Same": "gen-two"})
    host = create_host(load_settings({"base_dir": tmp_path}, {}, tmp_path))
    found, other = host.catalogue.find("Same"), host.catalogue.find("gen-one/Same")
    assert found is not None
    assert other is not None
    assert (found.pack, other.pack) == ("gen-two", "gen-one")
    assert not [failure for failure in host.registry.failures if failure.pack.startswith("gen-")]


def test_clients_see_every_claimant_under_the_name_it_answers_to(tmp_path: Path) -> None:
    install(tmp_path, ("gen-three", ["Same"], True), ("gen-four", ["Same"], True), owners={"Same": "gen-four"})
    host = create_host(load_settings({"base_dir": tmp_path}, {}, tmp_path))
    entries = json.loads(NodeInfo(host.catalogue).everything()[0])
    assert entries["Same"]["python_module"] == "custom_nodes.gen-four"
    assert entries["gen-three/Same"]["python_module"] == "custom_nodes.gen-three"
    assert entries["gen-three/Same"]["name"] == "gen-three/Same"
    assert json.loads(NodeInfo(host.catalogue).one("gen-three/Same")).keys() == {"gen-three/Same"}


def test_a_decision_for_a_pack_takes_the_name_from_the_built_ins() -> None:
    catalogue = Catalogue(owners={"Blend": "mine"})
    core = NodeType(id="Blend", run=lambda *_: None, pack="core")
    mine = NodeType(id="Blend", run=lambda *_: None, pack="mine")
    catalogue.add(core)
    catalogue.add(mine)
    assert catalogue.find("Blend") is mine
    assert catalogue.find("core/Blend") is core


def test_a_generation_is_checked_as_a_program_before_it_is_in_use(tmp_path: Path) -> None:
    generation = install(tmp_path, ("gen-good", ["Good"], True), ("gen-bad", ["Bad"], True))
    (generation.packs[1].folder / "pack_gen_bad.py").write_text("print('noise')\nimport no_such_module_anywhere")
    line = [sys.executable, "-m", "host.generation_check", str(generation.folder), str(tmp_path / "answer")]
    subprocess.run(line, check=True, capture_output=True)
    answer = json.loads((tmp_path / "answer").read_text())
    assert answer["nodes"] == {"gen-good": ["Good"]}
    assert "no_such_module_anywhere" in answer["failures"]["gen-bad"]


def test_a_check_names_duplicates_that_nothing_was_decided_about(tmp_path: Path) -> None:
    generation = install(tmp_path, ("gen-p", ["Twice"], True), ("gen-q", ["Twice"], True))
    found = check(generation)
    assert "gen-p" in found["nodes"]
    assert "offered by both" in found["failures"]["gen-q"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "number": 1, "packs": [{}], "site": null}']
)
def test_a_damaged_record_says_what_to_do(tmp_path: Path, content: str) -> None:
    generation = install(tmp_path, ("gen-x", [], True))
    (generation.folder / "generation.json").write_text(content)
    with pytest.raises(BadGeneration, match="comfy-nodes"):
        read_generation_folder(generation.folder)


def test_the_base_folder_is_the_current_one_where_it_holds_models(tmp_path: Path) -> None:
    assert default_base_dir(tmp_path) != tmp_path
    (tmp_path / "models").mkdir()
    assert default_base_dir(tmp_path) == tmp_path
