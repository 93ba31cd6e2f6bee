"""Packs with a ``nodes.json`` are listed from it and imported when one of their nodes is used."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.comfyui.loading import load_pack
from host.described_packs import differences, read_description
from host.engine.catalogue import Catalogue
from host.engine.errors import PackUnavailable
from host.engine.object_info import describe
from host.engine.validation.prompt import validate
from host.packs import packs_in
from host.plugins import PackRegistry, create_plugin_manager
from sdk.inspection.nodes_file import render
from sdk.testing import write_pack
from tests.support.comfy_packs import TEST_PACK

SAMPLES = Path(__file__).parents[2] / "sample_plugins"
CODE = """
    from typing import Annotated, Literal
    from sdk import Choice, Image, Range, hookimpl, node

    @node(id="Tint", title="Tint it", category="image", aliases=["Colour"], output_node=True, names=["tinted"])
    def tint(
        image: Image,
        strength: Annotated[float, Range(0, 1)] = 0.5,
        mode: Literal["add", "mix"] = "mix",
        along: int = 3,
        model: Annotated[str, Choice(source="folder:loras")] = "x",
        mask: Image | None = None,
    ) -> Image:
        '''Blend.'''
        return image

    @hookimpl
    def register_nodes():
        return [tint]
"""


@pytest.fixture(autouse=True)
def _imports_are_undone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "probe" in name:
            del sys.modules[name]


def described_pack(folder: Path, name: str = "probe-tint", code: str = CODE) -> Path:
    pack = write_pack(folder, name, code)
    (pack / "nodes.json").write_bytes(render(pack))
    return pack


def loaded(*folders: Path, without: tuple[str, ...] | None = ()) -> PackRegistry:
    catalogue = Catalogue(lambda source: [f"from {source}"])
    registry = PackRegistry(create_plugin_manager(), catalogue, seconds_to_load=30, without=without)
    registry.load(packs_in(folders, lambda folder: None))
    return registry


def prompt_node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def lie(pack: Path, change: Any) -> None:
    """Change what nodes.json says without changing the code."""
    document = json.loads((pack / "nodes.json").read_bytes())
    change(document)
    (pack / "nodes.json").write_text(json.dumps(document))


def test_a_described_pack_is_listed_without_importing_it(tmp_path: Path) -> None:
    registry = loaded(described_pack(tmp_path))
    assert "probe_tint" not in sys.modules
    assert not registry.packs["probe-tint"].imported
    found = registry.catalogue.find("Colour")
    assert found is not None
    assert (found.true_id, found.pack_version, found.title) == ("probe-tint/Tint", "1.0.0", "Tint it")
    assert [schema.node.true_id for schema in registry.catalogue.current()] == ["probe-tint/Tint"]
    shown = registry.catalogue.current().get("Tint")
    assert shown is not None
    assert "probe_tint" not in sys.modules


def test_what_is_shown_of_a_described_node_is_what_its_import_shows(tmp_path: Path) -> None:
    registry = loaded(described_pack(tmp_path), SAMPLES / "palette")
    before = shown(registry)
    for node in list(registry.catalogue):
        registry.catalogue.ready(node.true_id)
    assert all(pack.imported for pack in registry.packs.values())
    assert shown(registry) == before
    tint = before["probe-tint/Tint"]["input"]
    assert tint["required"]["model"][0] == ["from folder:loras"]
    assert list(tint["required"]) == ["image", "strength", "mode", "along", "model"]


def shown(registry: PackRegistry) -> dict[str, dict[str, Any]]:
    """What clients see of all nodes; texts, so that the order in which inputs stand counts."""
    nodes = [schema.node for schema in registry.catalogue.current()]
    assert [list(describe(node)["input"]) for node in nodes] == [list(describe(node)["input_order"]) for node in nodes]
    inputs = {
        node.true_id: [item.name for item in sorted(node.inputs, key=lambda item: not item.required)] for node in nodes
    }
    return {node.true_id: {**describe(node), "names": inputs[node.true_id]} for node in nodes}


def test_packs_in_comfyui_s_form_are_described_as_well(tmp_path: Path) -> None:
    pack = tmp_path / "g2_testpack"
    shutil.copytree(TEST_PACK, pack)
    (pack / "pyproject.toml").write_text('[project]\nname = "g2_testpack"\nversion = "1"\n')
    (pack / "nodes.json").write_bytes(render(pack))
    registry = PackRegistry(create_plugin_manager(), Catalogue(), without=())
    registry.load(packs_in([pack], lambda folder: load_pack))
    assert not registry.packs["g2_testpack"].imported
    before = shown(registry)
    assert len(before) == 55
    assert registry.catalogue.ready("G2Add") is not None
    assert shown(registry) == before


def test_a_prompt_with_one_of_its_nodes_imports_the_pack(tmp_path: Path) -> None:
    registry = loaded(described_pack(tmp_path))
    inputs = {"image": ["1", 0], "strength": 0.5, "mode": "mix", "along": 1, "model": "from folder:loras"}
    checked = validate({"1": prompt_node("Tint", **inputs)}, registry.catalogue.current())
    assert "probe_tint" in sys.modules
    assert registry.packs["probe-tint"].imported
    assert checked.error is not None  # the picture comes from the node itself
    assert registry.catalogue.ready("Colour") is registry.catalogue.find("probe-tint/Tint")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["nodes"].update(Ghost=d["nodes"].pop("Tint")), "'Tint' is a node of the code and not described"),
        (lambda d: d["nodes"]["Tint"].update(aliases=[]), "the aliases of 'Tint' are described as () and are"),
        (
            lambda d: d["nodes"]["Tint"]["schema"]["input"]["required"].update(mode=["INT"]),
            "the inputs of 'Tint' are described",
        ),
        (lambda d: d["nodes"]["Tint"]["schema"].update(output=["MASK"]), "the outputs of 'Tint' are described as"),
    ],
)
def test_a_description_that_differs_from_the_import_fails_the_pack(tmp_path: Path, change: Any, said: str) -> None:
    pack = described_pack(tmp_path)
    lie(pack, change)
    registry = loaded(pack)
    used = next(iter(registry.catalogue)).id
    checked = validate({"1": prompt_node(used)}, registry.catalogue.current())
    assert checked.error is not None
    assert checked.error["type"] == "invalid_prompt"
    assert said in checked.error["message"]
    assert "nodes.json of pack probe-tint 1.0.0" in checked.error["message"]
    (failure,) = registry.failures
    assert failure.pack == "probe-tint"
    assert list(registry.catalogue) == []
    assert "probe-tint" not in registry.packs
    with pytest.raises(PackUnavailable, match="probe-tint"):
        registry.catalogue.ready(used)
    assert registry.failures == [failure]


def test_a_node_that_the_code_leaves_out_on_this_machine_is_missing_alone(tmp_path: Path) -> None:
    pack = described_pack(tmp_path)
    lie(pack, lambda d: d["nodes"].update(Ghost={**d["nodes"]["Tint"], "aliases": []}))
    registry = loaded(pack)
    with pytest.raises(PackUnavailable, match=r"probe-tint 1\.0\.0 describes node 'Ghost'"):
        registry.catalogue.ready("Ghost")
    assert registry.catalogue.ready("Tint") is not None
    assert [node.id for node in registry.catalogue] == ["Tint"]
    assert registry.failures == []


def test_a_pack_that_is_imported_at_once_is_compared_as_well(tmp_path: Path) -> None:
    pack = described_pack(tmp_path)
    assert loaded(pack, without=None).packs["probe-tint"].imported
    lie(pack, lambda d: d["nodes"]["Tint"]["schema"].update(output=["MASK"]))
    (failure,) = loaded(pack, without=None).failures
    assert "nodes.json" in failure.error
    assert failure.error.endswith(".")


def test_a_hook_that_is_not_described_fails_the_pack(tmp_path: Path) -> None:
    hook = (
        "\n    @hookimpl\n    def register_sockets():\n        from sdk import Socket\n        return [Socket('X')]\n"
    )
    pack = described_pack(tmp_path, code=CODE + hook)
    lie(pack, lambda document: document.update(hooks=[]))
    registry = loaded(pack)
    with pytest.raises(PackUnavailable, match="register_sockets, which is not described"):
        registry.catalogue.ready("Tint")


def test_a_pack_whose_import_fails_says_so_when_its_node_is_used(tmp_path: Path) -> None:
    registry = loaded(described_pack(tmp_path, code=CODE + "\n    import no_such_package_xyz\n"))
    with pytest.raises(PackUnavailable, match="no_such_package_xyz"):
        registry.catalogue.ready("Tint")


def test_a_pack_that_takes_part_elsewhere_is_imported_unless_nobody_needs_that(tmp_path: Path) -> None:
    hook = "\n    @hookimpl\n    def register_routes():\n        return []\n"
    pack = described_pack(tmp_path, code=CODE + hook)
    assert not loaded(pack, without=("register_routes",)).packs["probe-tint"].imported
    assert loaded(pack).packs["probe-tint"].imported


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=2),
        lambda d: d.update(version="9"),
        lambda d: d.update(complete=False),
        lambda d: d.update(hooks=None),
        lambda d: d.pop("hooks"),
        lambda d: d.update(sources="0"),
        lambda d: d["nodes"]["Tint"].update(schema={}),
        lambda d: d["nodes"]["Tint"]["dynamic"].update(mode="unknown"),
        lambda d: d.update(nodes=3),
    ],
)
def test_a_description_that_leaves_something_open_is_not_used(tmp_path: Path, change: Any) -> None:
    pack = described_pack(tmp_path)
    assert read_description(pack, "1.0.0", verify=True) is not None
    lie(pack, change)
    assert read_description(pack, "1.0.0", verify=True) is None


def test_two_described_packs_with_one_name_for_a_node_are_told_apart_at_once(tmp_path: Path) -> None:
    registry = loaded(described_pack(tmp_path, "probe-a"), described_pack(tmp_path, "probe-b"))
    (failure,) = registry.failures
    assert "'Tint' is offered by both probe-a 1.0.0 and probe-b 1.0.0" in failure.error
    assert registry.catalogue.ready("Tint") is not None


def test_equal_nodes_have_no_differences(tmp_path: Path) -> None:
    described = read_description(described_pack(tmp_path), "1.0.0", verify=False)
    assert described is not None
    assert list(differences(described.nodes, described.nodes)) == []
