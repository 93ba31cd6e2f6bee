"""The conditioning and guidance nodes' interfaces are those that saved workflows rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from host.builtin_nodes import (
    conditioning_areas,
    conditioning_images,
    conditioning_mixing,
    conditioning_models,
    conditioning_properties,
)
from host.builtin_nodes.guidance import formula_nodes, perturbation_nodes
from sdk import NodeType

DATA = Path(__file__).parents[1] / "data" / "guidance_interfaces.json"
INTERFACES: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
PLUGINS = (
    *(conditioning_areas, conditioning_images, conditioning_mixing, conditioning_models, conditioning_properties),
    *(formula_nodes, perturbation_nodes),
)
NODES = {node.id: node for plugin in PLUGINS for node in plugin.register_nodes()}


def test_every_node_of_the_list_is_there_and_no_other() -> None:
    assert set(NODES) == set(INTERFACES)


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_inputs_have_the_names_order_types_and_options_of_saved_workflows(name: str) -> None:
    wanted, node = INTERFACES[name]["input"], NODES[name]
    required, optional = wanted.get("required", {}), wanted.get("optional", {})
    assert [item.name for item in node.inputs] == [*required, *optional]
    for item in node.inputs:
        kind, *options = {**required, **optional}[item.name]
        assert item.required == (item.name in required)
        found = {key: value for key, value in (item.options or {}).items() if key != "tooltip"}
        assert found == (options[0] if options else {})
        if isinstance(kind, list):
            assert (item.type, item.choices) == ("COMBO", tuple(kind))
        else:
            assert item.type == kind


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_outputs_and_place_in_the_menu_are_those_of_saved_workflows(name: str) -> None:
    wanted, node = INTERFACES[name], NODES[name]
    assert [output.type for output in node.outputs] == wanted["output"]
    assert [output.name for output in node.outputs] == wanted["output_name"]
    assert (node.title, node.category) == (wanted["display_name"], wanted["category"])
    assert node.experimental == wanted.get("experimental", False)
    assert bool(node.deprecated) == wanted.get("deprecated", False)


@pytest.mark.parametrize("node", NODES.values(), ids=NODES)
def test_everything_users_see_is_explained(node: NodeType) -> None:
    assert node.description
    assert all(item.option("tooltip") for item in node.inputs)
    assert all(output.tooltip for output in node.outputs)
