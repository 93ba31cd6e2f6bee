"""The families' own nodes for prompts have the interfaces that saved workflows rely on."""

from __future__ import annotations

from typing import Any

import pytest

from host.builtin_nodes.families.sdxl import plugin as sdxl
from host.builtin_nodes.families.sdxl_refiner import plugin as sdxl_refiner
from sdk import NodeType

NODES = {node.id: node for plugin in (sdxl, sdxl_refiner) for node in plugin.register_nodes()}
_PROMPT = ("STRING", {"multiline": True, "dynamicPrompts": True})


def _side(default: int) -> tuple[str, dict[str, Any]]:
    return "INT", {"default": default, "min": 0, "max": 16384}


INPUTS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "CLIPTextEncodeSDXL": {
        "clip": ("CLIP", {}),
        "width": _side(1024),
        "height": _side(1024),
        "crop_w": _side(0),
        "crop_h": _side(0),
        "target_width": _side(1024),
        "target_height": _side(1024),
        "text_g": _PROMPT,
        "text_l": _PROMPT,
    },
    "CLIPTextEncodeSDXLRefiner": {
        "ascore": ("FLOAT", {"default": 6.0, "min": 0.0, "max": 1000.0, "step": 0.01}),
        "width": _side(1024),
        "height": _side(1024),
        "text": _PROMPT,
        "clip": ("CLIP", {}),
    },
}


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_inputs_have_the_names_order_types_and_options_of_saved_workflows(name: str) -> None:
    found = {
        item.name: (item.type, {key: value for key, value in (item.options or {}).items() if key != "tooltip"})
        for item in NODES[name].inputs
    }
    assert found == INPUTS[name]
    assert list(found) == list(INPUTS[name])
    assert all(item.required for item in NODES[name].inputs)


@pytest.mark.parametrize("node", NODES.values(), ids=NODES)
def test_outputs_and_place_in_the_menu_are_those_of_saved_workflows(node: NodeType) -> None:
    assert [(output.type, output.name) for output in node.outputs] == [("CONDITIONING", "CONDITIONING")]
    assert node.category == "advanced/conditioning"
    assert all(item.option("tooltip") for item in node.inputs)
