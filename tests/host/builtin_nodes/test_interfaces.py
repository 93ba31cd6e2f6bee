"""The diffusion nodes' interfaces are those that saved workflows rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host.builtin_nodes import conditioning, latents, loaders, sampler_nodes, vae
from sdk import Input, NodeType

INTERFACES: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "node_interfaces.json").read_text())
PLUGINS = (conditioning, latents, loaders, sampler_nodes, vae)
NODES = {node.id: node for plugin in PLUGINS for node in plugin.register_nodes()}
SOURCES = {
    "ckpt_name": "folder:checkpoints",
    "vae_name": "folder:vae",
    "sampler_name": "samplers",
    "scheduler": "schedulers",
}


def _without_tooltip(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "tooltip"}


def _check_input(item: Input, kind: Any, options: dict[str, Any]) -> None:
    if isinstance(kind, list):
        wanted: Any = SOURCES.get(item.name, tuple(kind))
        assert (item.type, item.choices) == ("COMBO", wanted)
    else:
        assert item.type == kind
    assert _without_tooltip(dict(item.options or {})) == options


def test_every_node_of_the_list_is_there_and_no_other() -> None:
    assert set(NODES) == set(INTERFACES)


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_inputs_have_the_names_order_types_and_options_of_saved_workflows(name: str) -> None:
    wanted, node = INTERFACES[name], NODES[name]
    assert [item.name for item in node.inputs if item.required] == wanted["input_order"]["required"]
    assert all(item.required for item in node.inputs)
    for item in node.inputs:
        kind, *options = wanted["input"]["required"][item.name]
        _check_input(item, kind, dict(options[0]) if options else {})


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_outputs_and_place_in_the_menu_are_those_of_saved_workflows(name: str) -> None:
    wanted, node = INTERFACES[name], NODES[name]
    assert [output.type for output in node.outputs] == wanted["output"]
    assert [output.name for output in node.outputs] == wanted["output_name"]
    assert [output.is_list for output in node.outputs] == wanted["output_is_list"]
    assert (node.title or node.id, node.category) == (wanted["display_name"], wanted["category"])
    assert node.output_node == wanted["output_node"]


@pytest.mark.parametrize("node", NODES.values(), ids=NODES)
def test_everything_users_see_is_explained(node: NodeType) -> None:
    assert node.description
    assert all(item.option("tooltip") for item in node.inputs)
    assert all(output.tooltip for output in node.outputs)


def test_declaring_the_nodes_and_families_loads_no_heavy_library() -> None:
    modules = [plugin.__name__ for plugin in PLUGINS]
    modules += [f"host.builtin_nodes.families.{name}.plugin" for name in ("sd1", "kl_vae")]
    code = f"import sys, {', '.join(modules)}; print(*{{'torch', 'diffusers', 'transformers'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
