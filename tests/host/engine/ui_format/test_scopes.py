"""Sub-graphs are unfolded, and what their nodes show reaches what is inside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host.engine.ui_format.conversion import to_api
from host.engine.ui_format.errors import SubgraphContainsItself, WorkflowTooLarge
from tests.support.drawn_workflows import NODE_TYPES, drawn, subgraph, workflow


def convert(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return to_api(data, NODE_TYPES)


def inputs_of(data: dict[str, Any], node_id: str) -> dict[str, Any]:
    return convert(data)[node_id]["inputs"]


def sampler_subgraph() -> dict[str, Any]:
    """Takes model, seed and text; gives a latent. The text input is inside only as a widget's socket."""
    return subgraph(
        "S",
        [
            drawn(
                1,
                "KSampler",
                {"model": 1, "positive": 4},
                [5, "fixed", 20, 8, "euler", "normal", 1],
                widgets={"seed": 2},
            ),
            drawn(2, "CLIPTextEncode", {"clip": 6}, ["inside"], widgets={"text": 3}),
        ],
        [
            (1, -10, 0, 1, 0),
            (2, -10, 1, 1, 4),
            (3, -10, 2, 2, 1),
            (4, 2, 0, 1, 1),
            (5, 1, 0, -20, 0),
            (6, -10, 3, 2, 0),
        ],
        ("model", "seed", "text", "clip"),
        ("LATENT",),
    )


def with_subgraph(definition: dict[str, Any] | None = None, **instance: Any) -> dict[str, Any]:
    node = drawn(
        10, "S", {"model": 1, "clip": 2}, instance.pop("values", None), widgets={"seed": None, "text": None}, **instance
    )
    order = ["model", "seed", "text", "clip"]
    node["inputs"].sort(key=lambda item: order.index(item["name"]))
    return workflow(
        [drawn(4, "CheckpointLoaderSimple"), node, drawn(11, "VAEDecode", {"samples": 3})],
        [(1, 4, 0, 10, 0), (2, 4, 1, 10, 3), (3, 10, 0, 11, 0)],
        definitions={"subgraphs": [definition or sampler_subgraph()]},
    )


def test_nodes_inside_get_ids_below_the_subgraphs_node() -> None:
    prompt = convert(with_subgraph())
    assert list(prompt) == ["4", "10:1", "10:2", "11"]
    assert prompt["10:1"]["inputs"]["model"] == ["4", 0]
    assert prompt["10:1"]["inputs"]["positive"] == ["10:2", 0]
    assert prompt["10:2"]["inputs"]["clip"] == ["4", 1]
    assert prompt["11"]["inputs"]["samples"] == ["10:1", 0]


def test_widgets_without_a_value_outside_keep_the_one_inside() -> None:
    prompt = convert(with_subgraph())
    assert prompt["10:1"]["inputs"]["seed"] == 5
    assert prompt["10:2"]["inputs"]["text"] == "inside"


def test_values_of_promoted_widgets_reach_the_nodes_inside() -> None:
    prompt = convert(with_subgraph(values=[77, "outside"]))
    assert prompt["10:1"]["inputs"]["seed"] == 77
    assert prompt["10:2"]["inputs"]["text"] == "outside"


def test_the_nodes_list_of_inputs_need_not_show_promoted_widgets() -> None:
    data = with_subgraph(values=[77, "outside"])
    data["nodes"][1]["inputs"] = [item for item in data["nodes"][1]["inputs"] if "widget" not in item]
    prompt = convert(data)
    assert prompt["10:1"]["inputs"]["seed"] == 77
    assert prompt["10:2"]["inputs"]["text"] == "outside"
    assert prompt["10:2"]["inputs"]["clip"] == ["4", 1]


def test_a_promoted_widget_also_fills_sockets_inside() -> None:
    inner = subgraph(
        "S",
        [
            drawn(1, "Number", values=[64], widgets={"value": 1}),
            drawn(2, "Points", {"points": 2}, [0.5]),
        ],
        [(1, -10, 0, 1, 0), (2, -10, 0, 2, 0)],
        ("size",),
    )
    outer = subgraph("T", [drawn(7, "S", widgets={"size": 1})], [(1, -10, 0, 7, 0)], ("size",))
    data = workflow([drawn(5, "S"), drawn(6, "T")], [], definitions={"subgraphs": [inner, outer]})
    assert inputs_of(data, "5:2") == {"scale": 0.5, "points": 64}
    assert inputs_of(data, "6:7:2")["points"] == 64
    data["nodes"][1]["widgets_values"] = [128]
    assert inputs_of(data, "6:7:1") == {"value": 128}
    assert inputs_of(data, "6:7:2")["points"] == 128


def test_promoted_widgets_may_be_saved_by_name() -> None:
    assert convert(with_subgraph(values={"text": "named"}))["10:2"]["inputs"]["text"] == "named"


def test_two_uses_of_a_subgraph_are_two_copies() -> None:
    data = with_subgraph(values=[1, "one"])
    second = drawn(20, "S", values=[2, "two"], widgets={"seed": None, "text": None})
    data["nodes"].append(second)
    prompt = convert(data)
    assert prompt["10:2"]["inputs"]["text"] == "one"
    assert prompt["20:2"]["inputs"]["text"] == "two"
    assert prompt["20:1"]["inputs"]["seed"] == 2
    assert "model" not in prompt["20:1"]["inputs"]


def test_proxy_widgets_set_values_of_nodes_inside() -> None:
    proxies = {"proxyWidgets": [["1", "steps"], ["1", "cfg"]]}
    prompt = convert(with_subgraph(values=[77, "outside", 33], properties=proxies))
    assert prompt["10:1"]["inputs"]["seed"] == 77
    assert prompt["10:1"]["inputs"]["steps"] == 33
    assert prompt["10:1"]["inputs"]["cfg"] == 8


def test_proxy_widgets_may_say_where_own_widgets_stand() -> None:
    proxies = {"proxyWidgets": [["1", "steps"], ["-1", "text"], ["-1", "seed"]]}
    inputs = convert(with_subgraph(values=[33, "outside", 77], properties=proxies))
    assert inputs["10:1"]["inputs"]["seed"] == 77
    assert inputs["10:1"]["inputs"]["steps"] == 33
    assert inputs["10:2"]["inputs"]["text"] == "outside"


def test_subgraphs_nest() -> None:
    outer = subgraph(
        "T",
        [drawn(7, "S", {"model": 1}, [9, "mid"], widgets={"seed": 3, "text": None})],
        [(1, -10, 0, 7, 0), (2, 7, 0, -20, 0), (3, -10, 1, 7, 1)],
        ("model", "seed"),
        ("LATENT",),
    )
    data = workflow(
        [
            drawn(4, "CheckpointLoaderSimple"),
            drawn(10, "T", {"model": 1}, [123], widgets={"seed": None}, properties={"proxyWidgets": [["7", "text"]]}),
            drawn(11, "VAEDecode", {"samples": 3}),
        ],
        [(1, 4, 0, 10, 0), (3, 10, 0, 11, 0)],
        definitions={"subgraphs": [outer, sampler_subgraph()]},
    )
    prompt = convert(data)
    assert list(prompt) == ["4", "10:7:1", "10:7:2", "11"]
    assert prompt["10:7:1"]["inputs"]["model"] == ["4", 0]
    assert prompt["10:7:1"]["inputs"]["seed"] == 123
    assert prompt["10:7:2"]["inputs"]["text"] == "mid"
    assert prompt["11"]["inputs"]["samples"] == ["10:7:1", 0]


def test_a_proxy_widget_reaches_through_two_subgraphs() -> None:
    outer = subgraph("T", [drawn(7, "S", values=[9, "mid"], widgets={"seed": None, "text": None})], [])
    instance = drawn(10, "T", values=["from the top"], properties={"proxyWidgets": [["7", "text"]]})
    data = workflow([instance], [], definitions={"subgraphs": [outer, sampler_subgraph()]})
    assert inputs_of(data, "10:7:2")["text"] == "from the top"


def test_definitions_may_lie_inside_definitions() -> None:
    outer = subgraph("T", [drawn(7, "S")], []) | {"definitions": {"subgraphs": [sampler_subgraph()]}}
    data = workflow([drawn(10, "T")], [], definitions={"subgraphs": [outer]})
    assert list(convert(data)) == ["10:7:1", "10:7:2"]


def test_a_muted_subgraph_is_left_out_wholly() -> None:
    prompt = convert(with_subgraph(mode=2))
    assert list(prompt) == ["4", "11"]
    assert prompt["11"]["inputs"] == {}


def test_a_bypassed_subgraph_passes_values_on() -> None:
    passing = drawn(10, "S", {"image:IMAGE": 1}, mode=4) | {"outputs": [{"name": "IMAGE", "type": "IMAGE"}]}
    data = workflow(
        [drawn(1, "LoadImage", values=["a.png"]), passing, drawn(3, "SaveImage", {"images": 2}, ["x"])],
        [(1, 1, 0, 10, 0), (2, 10, 0, 3, 0)],
        definitions={"subgraphs": [sampler_subgraph()]},
    )
    assert list(convert(data)) == ["1", "3"]
    assert inputs_of(data, "3")["images"] == ["1", 0]


def test_a_subgraph_may_pass_an_input_straight_to_an_output() -> None:
    through = subgraph("S", [drawn(5, "Reroute", {":*": 1})], [(1, -10, 0, 5, 0), (2, 5, 0, -20, 0)], ("in",), ("out",))
    data = workflow(
        [
            drawn(1, "LoadImage", values=["a.png"]),
            drawn(2, "S", {"in:IMAGE": 1}),
            drawn(3, "SaveImage", {"images": 2}, ["x"]),
        ],
        [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)],
        definitions={"subgraphs": [through]},
    )
    assert inputs_of(data, "3")["images"] == ["1", 0]


def test_a_get_node_inside_reaches_a_set_node_outside() -> None:
    inner = subgraph(
        "S",
        [drawn(1, "GetNode", values=["clip"]), drawn(2, "CLIPTextEncode", {"clip": 1}, ["x"])],
        [(1, 1, 0, 2, 0)],
    )
    data = workflow(
        [drawn(4, "CheckpointLoaderSimple"), drawn(5, "SetNode", {"CLIP": 1}, ["clip"]), drawn(6, "S")],
        [(1, 4, 1, 5, 0)],
        definitions={"subgraphs": [inner]},
    )
    assert inputs_of(data, "6:2")["clip"] == ["4", 1]


def test_a_subgraph_inside_itself_is_refused() -> None:
    one, two = subgraph("A", [drawn(1, "B")], []), subgraph("B", [drawn(1, "A")], [])
    data = workflow([drawn(1, "A")], [], definitions={"subgraphs": [one, two]})
    with pytest.raises(SubgraphContainsItself, match=r"graph A.*graph B.*graph A"):
        convert(data)


def test_subgraphs_that_multiply_are_refused_before_they_fill_the_memory() -> None:
    levels = [subgraph(f"L{i}", [drawn(n, f"L{i + 1}") for n in range(10)], []) for i in range(12)]
    levels.append(subgraph("L12", [drawn(1, "Number", values=[1])], []))
    data = workflow([drawn(1, "L0")], [], definitions={"subgraphs": levels})
    with pytest.raises(WorkflowTooLarge, match="200,000 nodes"):
        convert(data)


def test_subgraphs_nested_too_deeply_are_refused() -> None:
    levels = [subgraph(f"L{i}", [drawn(1, f"L{i + 1}")], []) for i in range(100)]
    levels.append(subgraph("L100", [drawn(1, "Number", values=[1])], []))
    data = workflow([drawn(1, "L0")], [], definitions={"subgraphs": levels})
    with pytest.raises(WorkflowTooLarge, match="64 levels"):
        convert(data)


def test_the_prompt_is_plain_json() -> None:
    prompt = convert(with_subgraph(values=[2**63, "x"]))
    assert json.loads(json.dumps(prompt)) == prompt
    assert prompt["10:1"]["inputs"]["seed"] == 2**63
