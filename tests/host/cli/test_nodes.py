"""``comfy-nodes nodes``: what is listed, and what packs do to the list."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.cli.conftest import Command
from tests.support.comfy_packs import TEST_PACK

GOOD = """
[project]
name = "tinting"
version = "2.1"
[project.entry-points."comfy_nodes.packs"]
main = "tinting_nodes"
"""
GOOD_CODE = '''
from __future__ import annotations
from typing import Annotated
from sdk import Range, hookimpl, node

@node(id="Tint", title="Tint [warm]", category="image/colour")
def tint(level: Annotated[int, Range(0, 9)] = 3, name: str = "") -> int:
    """Colour a picture.

    Args:
        level: How much; [0] keeps it.
    """
    return level

@hookimpl
def register_nodes():
    return [tint]
'''


@pytest.fixture
def packs(tmp_path: Path) -> Iterator[Path]:
    """A folder with a good pack, one whose import fails, and one that exits."""
    good = tmp_path / "packs" / "tinting"
    good.mkdir(parents=True)
    (good / "pyproject.toml").write_text(GOOD)
    (good / "tinting_nodes.py").write_text(GOOD_CODE)
    for name, source in (("broken", "import a_package_nobody_has"), ("exits", "import sys; sys.exit(3)")):
        (tmp_path / "packs" / name).mkdir()
        (tmp_path / "packs" / name / "__init__.py").write_text(f"{source}\nNODE_CLASS_MAPPINGS = {{}}\n")
    path = list(sys.path)
    yield tmp_path / "packs"
    sys.path[:] = path
    sys.modules.pop("tinting_nodes", None)


def listed(command: Command, *arguments: object) -> dict[str, str]:
    """The nodes' packs by id."""
    ended = command("nodes", "--json", *arguments)
    assert ended.code == 0
    return {row["id"]: f"{row['pack']} {row['version']}" for row in ended.json}


def test_every_node_is_listed_with_title_category_pack_and_version(command: Command) -> None:
    ended = command("nodes")
    line = next(line for line in ended.out.splitlines() if line.startswith("KSamplerAdvanced "))
    assert line.split() == ["KSamplerAdvanced", "KSampler", "(Advanced)", "sampling", "core", "0.1.0"]
    assert ended.out.splitlines()[0].split() == ["node", "title", "category", "pack", "version"]


def test_the_list_can_be_narrowed(command: Command) -> None:
    found = listed(command, "--filter", "ksampler")
    assert {"KSampler", "KSamplerAdvanced"} <= found.keys()
    assert "VAEDecode" not in found
    assert command("nodes", "--filter", "nothing like it").out == "no node has 'nothing like it'\n"


def test_packs_in_folders_are_listed_and_failures_are_told_with_a_remedy(command: Command, packs: Path) -> None:
    ended = command("nodes", "--pack-dir", packs)
    assert next(line for line in ended.out.splitlines() if line.startswith("Tint ")).split()[-2:] == ["tinting", "2.1"]
    broken, exits = ended.err.splitlines()
    assert "pack broken 0" in broken
    assert "it needs the Python package 'a_package_nobody_has'. Install it" in broken
    assert "it tried to exit the program (code 3)" in exits


def test_packs_can_be_chosen_by_name(command: Command, packs: Path) -> None:
    chosen = listed(command, "--pack-dir", packs, "--packs", "tinting")
    assert {chosen["Tint"], chosen["KSampler"]} == {"tinting 2.1", "core 0.1.0"}
    ended = command("nodes", "--pack-dir", packs, "--packs", "tinting,absent")
    assert ended.code == 2
    assert "no pack named absent is installed; there are: broken, exits, tinting" in ended.err


def test_packs_without_a_name_and_packs_in_safe_mode_are_wrong_usage(command: Command) -> None:
    for flags in (("--packs", " , "), ("--packs", "tinting", "--safe-mode")):
        ended = command("nodes", *flags)
        assert (ended.code, ended.out) == (2, "")
        assert "the built-ins alone" in " ".join(ended.err.replace("│", " ").split())


def test_safe_mode_loads_the_built_ins_alone(command: Command, packs: Path) -> None:
    safe = listed(command, "--pack-dir", packs, "--safe-mode")
    assert set(safe.values()) == {"core 0.1.0"}
    assert "KSampler" in safe


def test_packs_in_comfyui_form_are_listed(command: Command) -> None:
    found = listed(command, "--pack-dir", TEST_PACK)
    assert found["G2Int"].startswith("g2_testpack ")


def test_a_folder_without_a_pack_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    ended = command("nodes", "--pack-dir", tmp_path / "nothing")
    assert "was not loaded: nothing here says how to load it. Add [project.entry-points" in ended.err


def test_a_folder_that_is_not_there_is_a_wrong_option(command: Command, tmp_path: Path) -> None:
    ended = command("nodes", "--pack-dir", tmp_path / "nowhere", "--json")
    assert ended.code == 2
    assert "does not exist" in ended.json["error"]["message"]


def test_one_node_is_shown_with_defaults_ranges_and_words(command: Command, packs: Path) -> None:
    ended = command("nodes", "--pack-dir", packs, "show", "tinting/Tint")
    assert ended.code == 0
    assert "Tint [warm]  tinting/Tint 2.1  image/colour" in ended.out
    assert "Colour a picture." in ended.out
    row = next(line for line in ended.out.splitlines() if line.startswith("level"))
    assert row == "level  INT = 3      0 to 9 How much; [0] keeps it."


def test_one_node_is_shown_as_clients_get_it(command: Command) -> None:
    entry = command("nodes", "show", "KSampler", "--json").json["KSampler"]
    assert entry["input"]["required"]["steps"][1]["max"] == 10_000
    assert "euler" in entry["input"]["required"]["sampler_name"][0]


def test_a_misspelled_name_is_answered_with_near_ones(command: Command) -> None:
    ended = command("nodes", "show", "KSamplr", "--json")
    assert ended.code == 1
    assert ended.err.startswith("error: no loaded pack has a node 'KSamplr'; did you mean KSampler")
    assert ended.json["error"]["type"] == "UnknownNode"
