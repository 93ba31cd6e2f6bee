"""The interfaces of the sampling nodes are those that saved workflows rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host.builtin_nodes import model_sampling
from host.builtin_nodes.custom_sampling import (
    guider_nodes,
    noise_nodes,
    run_nodes,
    sampler_nodes,
    scheduler_nodes,
    sigma_nodes,
    solver_nodes,
    tabled_scheduler_nodes,
)
from sdk import Input, NodeType

INTERFACES: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "node_interfaces.json").read_text())
PLUGINS = (
    guider_nodes,
    noise_nodes,
    run_nodes,
    sampler_nodes,
    scheduler_nodes,
    sigma_nodes,
    solver_nodes,
    tabled_scheduler_nodes,
    model_sampling,
)
NODES: dict[str, NodeType] = {node.id: node for plugin in PLUGINS for node in plugin.register_nodes()}
SOURCES = {"sampler_name": "samplers", "scheduler": "schedulers"}


def _declared(item: Input) -> list[Any]:
    """The declaration without its tooltip, with nothing where the host fills the choices in."""
    options = {name: value for name, value in (item.options or {}).items() if name != "tooltip"}
    if isinstance(item.choices, str):
        assert item.choices == SOURCES[item.name]
        return [[], options]
    return [item.config()[0], options]


def test_every_node_of_the_list_is_there_and_no_other() -> None:
    assert set(NODES) == set(INTERFACES)


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_inputs_have_the_names_order_types_and_options_of_saved_workflows(name: str) -> None:
    for section, required in (("required", True), ("optional", False)):
        wanted = INTERFACES[name]["input"].get(section, {})
        found = {item.name: _declared(item) for item in NODES[name].inputs if item.required is required}
        assert list(found) == INTERFACES[name]["input_order"].get(section, [])
        assert found == {key: [kind, *(options or [{}])] for key, (kind, *options) in wanted.items()}


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_outputs_and_place_in_the_menu_are_those_of_saved_workflows(name: str) -> None:
    wanted, node = INTERFACES[name], NODES[name]
    assert [output.type for output in node.outputs] == wanted["output"]
    assert [output.name for output in node.outputs] == wanted["output_name"]
    assert [output.is_list for output in node.outputs] == wanted["output_is_list"]
    assert (node.title, node.category) == (wanted["display_name"], wanted["category"])
    assert (node.output_node, node.experimental) == (wanted["output_node"], wanted["experimental"])


@pytest.mark.parametrize("node", NODES.values(), ids=NODES)
def test_everything_users_see_is_explained(node: NodeType) -> None:
    assert node.description
    assert all(item.option("tooltip") for item in node.inputs)
    assert all(output.tooltip for output in node.outputs)


def test_declaring_the_nodes_loads_no_heavy_library() -> None:
    code = f"import sys, {', '.join(plugin.__name__ for plugin in PLUGINS)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
