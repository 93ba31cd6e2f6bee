"""Every node of the product, as clients see it, against what saved workflows and existing clients rely on.

``data/core_nodes.json`` has the facts of the nodes that existing hosts come with: inputs with their types, defaults,
ranges, choices and order, outputs, names and places in the menu. ``wanted`` marks those this product is to have.
"""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import host.builtin_nodes
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.engine.object_info import describe
from host.engine.schemas import prepare
from sdk import NodeType

DATA = Path(__file__).parent / "data"
REFERENCE: dict[str, Any] = json.loads((DATA / "core_nodes.json").read_text(encoding="utf-8"))
NOT_YET = set((DATA / "nodes_not_yet.txt").read_text(encoding="utf-8").split())
FACTS = ("input_order", "output", "output_is_list", "output_name", "output_node", "category")
MARKS = ("deprecated", "experimental", "api_node")


def _plugins() -> list[str]:
    package = host.builtin_nodes
    return [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]


def _nodes() -> dict[str, NodeType]:
    modules = [module for module in map(import_module, _plugins()) if hasattr(module, "register_nodes")]
    return {node.id: node for module in modules for node in module.register_nodes()}


NODES = _nodes()
KNOWN = sorted(set(NODES) & set(REFERENCE))


def _choices(source: str) -> Sequence[str]:
    """What an installation without any files offers."""
    named = {"samplers": SAMPLERS, "schedulers": SCHEDULERS}
    return [record.name for record in named.get(source, ())]


def _described(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(describe(prepare(NODES[name], _choices).node)))
    return found


def _declared(section: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Declarations without tooltips, which are our own; no options are the same as empty ones."""
    return {name: [kind, _without_tooltip(*options)] for name, (kind, *options) in section.items()}


def _without_tooltip(options: dict[str, Any] | None = None) -> dict[str, Any]:
    return {key: value for key, value in (options or {}).items() if key != "tooltip"}


def test_every_wanted_node_is_there_or_on_the_list_of_missing_ones() -> None:
    wanted = {name for name, facts in REFERENCE.items() if facts["wanted"]}
    assert wanted - set(NODES) == NOT_YET & wanted
    assert not NOT_YET & set(NODES), "take these off nodes_not_yet.txt"
    assert wanted >= NOT_YET


@pytest.mark.parametrize("name", KNOWN)
def test_inputs_have_the_names_order_types_and_options_of_saved_workflows(name: str) -> None:
    found, wanted = _described(name)["input"], REFERENCE[name]["input"]
    assert list(found) == list(wanted)
    for section in wanted:
        assert list(found[section]) == list(wanted[section])
        if section == "hidden":
            assert found[section] == wanted[section]
            continue
        declared, expected = _declared(found[section]), _declared(wanted[section])
        for key in expected:
            item = NODES[name].input(key)
            assert item is not None
            if isinstance(item.choices, str) and item.choices not in ("samplers", "schedulers"):
                assert isinstance(expected[key][0], list) or expected[key][0] == "COMBO"
                declared[key][0] = expected[key][0]  # files, which differ from one installation to the next
            assert declared[key] == expected[key], key


@pytest.mark.parametrize("name", KNOWN)
def test_outputs_names_and_place_in_the_menu_are_those_of_saved_workflows(name: str) -> None:
    found, wanted = _described(name), REFERENCE[name]
    assert {fact: found[fact] for fact in FACTS} == {fact: wanted[fact] for fact in FACTS}
    assert found["display_name"] == (wanted["display_name"] or name)
    assert {mark: found.get(mark, False) for mark in MARKS} == {mark: wanted.get(mark, False) for mark in MARKS}


@pytest.mark.parametrize("name", sorted(NODES))
def test_everything_users_see_is_explained(name: str) -> None:
    node = NODES[name]
    assert node.description
    assert not [item.name for item in node.inputs if not item.option("tooltip")]
    assert all(output.tooltip for output in node.outputs)


def test_every_node_is_in_a_pack_that_the_host_finds() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    packs = project["project"]["entry-points"]["comfy_nodes.packs"].values()
    modules = [module for module in map(import_module, packs) if hasattr(module, "register_nodes")]
    assert {node.id for module in modules for node in module.register_nodes()} >= set(NODES)


def test_declaring_the_nodes_loads_no_heavy_library() -> None:
    plugins = sorted({node.python_module for node in NODES.values()})
    heavy = "{'torch', 'diffusers', 'transformers', 'av', 'PIL', 'numpy', 'scipy'}"
    code = f"import sys, {', '.join(plugins)}; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
