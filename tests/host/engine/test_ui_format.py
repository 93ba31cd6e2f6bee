"""Drawn workflows become the prompts an editor would have queued."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

import pytest

from host.engine.ui_format import is_ui_format, to_api
from host.engine.ui_format_errors import (
    EndlessLinks,
    MalformedWorkflow,
    SubgraphContainsItself,
    UnknownNodeTypes,
    WorkflowTooLarge,
)
from tests.support.drawn_workflows import (
    NODE_TYPES,
    as_version_1,
    drawn,
    node_type,
    subgraph,
    text_to_image,
    workflow,
)


def convert(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return to_api(data, NODE_TYPES)


def inputs_of(data: dict[str, Any], node_id: str) -> dict[str, Any]:
    return convert(data)[node_id]["inputs"]


def values_of(kind: Any, values: Any, **more: Any) -> dict[str, Any]:
    """The inputs of a lone node with these saved values."""
    types = NODE_TYPES if isinstance(kind, str) else {kind.id: kind}
    name = kind if isinstance(kind, str) else kind.id
    return to_api(workflow([drawn(1, name, values=values, **more)], []), types)["1"]["inputs"]


EXPECTED = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd1.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass bottle", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "text, watermark", "clip": ["4", 1]}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 156680208700286,
            "steps": 20,
            "cfg": 7.5,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
}


def without_meta(prompt: dict[str, Any]) -> dict[str, Any]:
    return {key: {name: node[name] for name in ("class_type", "inputs")} for key, node in prompt.items()}


@pytest.mark.parametrize("version", [lambda data: data, as_version_1], ids=["0.4", "1.0"])
def test_the_standard_workflow_converts_in_both_format_versions(version: Any) -> None:
    prompt = convert(version(text_to_image()))
    assert without_meta(prompt) == EXPECTED
    assert list(prompt) == list(EXPECTED), "nodes come in the order in which the editor runs them"
    assert prompt["6"]["_meta"] == {"title": "Positive"}
    assert prompt["7"]["_meta"] == {"title": "CLIPTextEncode"}


def test_the_workflow_is_left_as_it_was() -> None:
    data = text_to_image()
    before = copy.deepcopy(data)
    convert(data)
    assert data == before


def test_ui_format_is_told_from_api_format() -> None:
    assert is_ui_format(text_to_image())
    assert not is_ui_format(convert(text_to_image()))
    assert not is_ui_format({"nodes": {"class_type": "A", "inputs": {}}})
    assert not is_ui_format([1])


class TestWidgetValues:
    def test_a_control_after_a_seed_is_not_a_value(self) -> None:
        values = values_of("KSampler", [2**64 - 1, "fixed", 4, 1.5, "euler", "karras", 0.5])
        assert values == {
            "seed": 18446744073709551615,
            "steps": 4,
            "cfg": 1.5,
            "sampler_name": "euler",
            "scheduler": "karras",
            "denoise": 0.5,
        }

    def test_old_files_without_the_control_keep_their_alignment(self) -> None:
        assert values_of("KSampler", [7, 4, 1.5, "euler", "karras", 0.5])["steps"] == 4

    def test_an_unexpected_control_is_skipped_before_a_number(self) -> None:
        kind = node_type("N", {"offset": "INT", "width": "INT", "name": "STRING"})
        assert values_of(kind, [5, "increment", 6, "n"]) == {"offset": 5, "width": 6, "name": "n"}

    def test_a_text_after_a_number_may_be_a_control_word(self) -> None:
        kind = node_type("N", {"count": "INT", "mode": "STRING"})
        assert values_of(kind, [5, "fixed"]) == {"count": 5, "mode": "fixed"}

    def test_a_seed_is_controlled_by_its_name_alone(self) -> None:
        kind = node_type("N", {"noise_seed": "INT", "text": "STRING"})
        assert values_of(kind, [5, "randomize", "randomize"]) == {"noise_seed": 5, "text": "randomize"}

    def test_a_controlled_list_has_a_filter_too(self) -> None:
        kind = node_type("N", {"lora": [("a", "b"), {"control_after_generate": True}], "n": "INT"})
        assert values_of(kind, ["b", "fixed", "", 4]) == {"lora": "b", "n": 4}
        assert values_of(kind, ["b", "fixed", 4]) == {"lora": "b", "n": 4}

    def test_inputs_that_take_links_only_have_no_value(self) -> None:
        kind = node_type("N", {"a": ["STRING", {"forceInput": True}], "b": "STRING"})
        assert values_of(kind, ["x"]) == {"b": "x"}

    def test_required_inputs_come_before_optional_ones(self) -> None:
        kind = node_type("N", {"late": "INT", "early": "STRING"}, optional=("late",))
        assert values_of(kind, ["x", 3]) == {"early": "x", "late": 3}

    def test_an_upload_button_stands_behind_the_required_widgets(self) -> None:
        assert values_of("LoadImage", ["b.png", "image"]) == {"image": "b.png"}
        kind = node_type("N", {"image": [("a.png",), {"image_upload": True}], "c": ("r",), "n": "INT"}, optional=("n",))
        assert values_of(kind, ["a.png", "r", "image", 4]) == {"image": "a.png", "c": "r", "n": 4}
        assert values_of(kind, ["a.png", "r", 4]) == {"image": "a.png", "c": "r", "n": 4}

    def test_values_saved_by_name_are_taken_by_name(self) -> None:
        saved = {"filename_prefix": "x", "videopreview": {"hidden": False}}
        assert values_of("SaveImage", saved) == {"filename_prefix": "x"}

    def test_widgets_newer_than_the_file_get_their_declared_default_and_no_other(self) -> None:
        assert values_of("EmptyLatentImage", [64]) == {"width": 64, "batch_size": 1}
        assert values_of("EmptyLatentImage", None) == {"batch_size": 1}

    def test_a_list_as_value_is_wrapped_so_that_it_is_no_link(self) -> None:
        assert values_of("SaveImage", [["3", 0]]) == {"filename_prefix": {"__value__": ["3", 0]}}

    def test_a_type_of_a_packs_own_has_a_value_where_the_file_shows_a_widget(self) -> None:
        assert values_of("Points", [[[1, 2]], 0.5], widgets={"points": None}) == {
            "points": {"__value__": [[1, 2]]},
            "scale": 0.5,
        }
        assert values_of("Points", [0.5], links={"points": None}) == {"scale": 0.5}

    def test_a_declared_widget_type_gives_a_widget(self) -> None:
        kind = node_type("N", {"v": ["INT,FLOAT", {"widgetType": "FLOAT"}]})
        assert values_of(kind, [0.25]) == {"v": 0.25}


class TestLinks:
    def test_a_widget_turned_into_a_socket_takes_the_link(self) -> None:
        data = workflow(
            [
                drawn(1, "Number", values=[42]),
                drawn(2, "KSampler", values=[5, "fixed", 20, 8, "euler", "normal", 1], widgets={"seed": 1}),
            ],
            [(1, 1, 0, 2, 4)],
        )
        assert inputs_of(data, "2")["seed"] == ["1", 0]
        assert inputs_of(data, "2")["steps"] == 20

    def test_reroutes_disappear(self) -> None:
        data = workflow(
            [
                drawn(1, "CheckpointLoaderSimple", values=["sd1.safetensors"]),
                drawn(2, "Reroute", {":*": 1}),
                drawn(3, "Reroute", {":*": 2}),
                drawn(4, "CLIPTextEncode", {"clip": 3}, ["x"]),
            ],
            [(1, 1, 1, 2, 0), (2, 2, 0, 3, 0), (3, 3, 0, 4, 0)],
        )
        prompt = convert(data)
        assert list(prompt) == ["1", "4"]
        assert prompt["4"]["inputs"]["clip"] == ["1", 1]

    def test_a_packs_reroute_disappears_too(self) -> None:
        reroute = drawn(2, "Reroute (rgthree)", {"in": 1}) | {"outputs": [{"name": "", "type": "*", "links": [2]}]}
        data = workflow(
            [drawn(1, "CheckpointLoaderSimple"), reroute, drawn(4, "CLIPTextEncode", {"clip": 2}, ["x"])],
            [(1, 1, 1, 2, 0), (2, 2, 0, 4, 0)],
        )
        assert inputs_of(data, "4")["clip"] == ["1", 1]

    def test_a_primitive_gives_its_value(self) -> None:
        data = workflow(
            [
                drawn(1, "PrimitiveNode", values=[99, "randomize"]),
                drawn(2, "Reroute", {":*": 1}),
                drawn(3, "KSampler", values=[5, "fixed", 20, 8, "euler", "normal", 1], widgets={"seed": 2}),
            ],
            [(1, 1, 0, 2, 0), (2, 2, 0, 3, 4)],
        )
        assert list(convert(data)) == ["3"]
        assert inputs_of(data, "3")["seed"] == 99

    def test_a_primitive_without_a_value_leaves_the_widgets_own(self) -> None:
        data = workflow(
            [drawn(1, "PrimitiveNode"), drawn(2, "Number", values=[5], widgets={"value": 1})], [(1, 1, 0, 2, 0)]
        )
        assert inputs_of(data, "2") == {"value": 5}

    def test_named_get_and_set_nodes_are_links(self) -> None:
        data = workflow(
            [
                drawn(1, "CheckpointLoaderSimple"),
                drawn(2, "SetNode", {"CLIP": 1}, ["the clip"]),
                drawn(3, "GetNode", values=["the clip"]),
                drawn(4, "CLIPTextEncode", {"clip": 2}, ["x"]),
            ],
            [(1, 1, 1, 2, 0), (2, 3, 0, 4, 0)],
        )
        assert list(convert(data)) == ["1", "4"]
        assert inputs_of(data, "4")["clip"] == ["1", 1]

    def test_a_get_node_nobody_sets_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        data = workflow(
            [drawn(3, "GetNode", values=["lost"]), drawn(4, "CLIPTextEncode", {"clip": 2}, ["x"])], [(2, 3, 0, 4, 0)]
        )
        assert "clip" not in inputs_of(data, "4")
        assert "'lost'" in caplog.text

    def test_a_link_that_is_not_there_is_told_and_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        data = workflow([drawn(4, "CLIPTextEncode", {"clip": 77}, ["x"])], [])
        assert inputs_of(data, "4") == {"text": "x"}
        assert "77" in caplog.text

    def test_ids_may_be_written_as_numbers_or_strings(self) -> None:
        data = workflow(
            [drawn("a", "CheckpointLoaderSimple"), drawn(4, "CLIPTextEncode", {"clip": "2"}, ["x"])],
            [(2.0, "a", "1", "4", 0)],
        )
        assert inputs_of(data, "4")["clip"] == ["a", 1]

    def test_links_kept_in_an_object_are_read(self) -> None:
        data = text_to_image()
        data["links"] = {str(link[0]): link for link in data["links"]} | {"99": None}
        assert without_meta(convert(data)) == EXPECTED

    def test_reroutes_in_a_circle_are_an_error_with_node_and_input(self) -> None:
        data = workflow(
            [
                drawn(2, "Reroute", {":*": 2}),
                drawn(3, "Reroute", {":*": 1}),
                drawn(4, "CLIPTextEncode", {"clip": 3}, ["x"]),
            ],
            [(1, 2, 0, 3, 0), (2, 3, 0, 2, 0), (3, 3, 0, 4, 0)],
        )
        with pytest.raises(EndlessLinks, match="input 'clip' of node '4'"):
            convert(data)


class TestModes:
    def test_notes_are_left_out(self) -> None:
        data = workflow([drawn(1, "Note", values=["hi"]), drawn(2, "MarkdownNote", values=["# hi"])], [])
        assert convert(data) == {}

    def test_a_muted_node_and_the_links_from_it_are_left_out(self) -> None:
        data = text_to_image()
        data["nodes"][4]["mode"] = 2
        prompt = convert(data)
        assert "7" not in prompt
        assert "negative" not in prompt["3"]["inputs"]

    def test_a_widget_linked_to_a_muted_node_does_not_fall_back_to_its_hidden_value(self) -> None:
        data = workflow(
            [drawn(1, "Number", values=[42], mode=2), drawn(2, "Number", values=[5], widgets={"value": 1})],
            [(1, 1, 0, 2, 0)],
        )
        assert inputs_of(data, "2") == {}

    def test_a_bypassed_node_passes_each_type_on(self) -> None:
        data = workflow(
            [
                drawn(1, "CheckpointLoaderSimple"),
                drawn(2, "LoraLoader", {"model": 1, "clip": 2}, [1.0], mode=4),
                drawn(3, "KSampler", {"model": 3}, [5, "fixed", 20, 8, "euler", "normal", 1]),
                drawn(4, "CLIPTextEncode", {"clip": 4}, ["x"]),
            ],
            [(1, 1, 0, 2, 0), (2, 1, 1, 2, 1), (3, 2, 0, 3, 0), (4, 2, 1, 4, 0)],
        )
        prompt = convert(data)
        assert "2" not in prompt
        assert prompt["3"]["inputs"]["model"] == ["1", 0]
        assert prompt["4"]["inputs"]["clip"] == ["1", 1]

    def test_a_bypassed_node_prefers_the_input_of_the_same_number(self) -> None:
        data = workflow(
            [
                drawn(1, "LoadImage", values=["a.png"]),
                drawn(2, "LoadImage", values=["b.png"]),
                drawn(3, "ImageBlend", {"image1": 1, "image2": 2}, [0.5], mode=4),
                drawn(4, "SaveImage", {"images": 3}, ["x"]),
            ],
            [(1, 1, 0, 3, 0), (2, 2, 0, 3, 1), (3, 3, 0, 4, 0)],
        )
        assert inputs_of(data, "4")["images"] == ["1", 0]

    def test_a_bypassed_node_finds_an_input_by_type_where_the_number_does_not_fit(self) -> None:
        data = workflow(
            [
                drawn(1, "CheckpointLoaderSimple"),
                drawn(2, "LoraLoader", {"clip": 2, "model": 1}, [1.0], mode=4),
                drawn(3, "KSampler", {"model": 3}, [5, "fixed", 20, 8, "euler", "normal", 1]),
            ],
            [(1, 1, 0, 2, 1), (2, 1, 1, 2, 0), (3, 2, 0, 3, 0)],
        )
        assert inputs_of(data, "3")["model"] == ["1", 0]

    def test_a_bypassed_node_without_a_fitting_input_gives_nothing(self) -> None:
        data = workflow([drawn(1, "LoadImage", mode=4), drawn(2, "SaveImage", {"images": 1}, ["x"])], [(1, 1, 0, 2, 0)])
        assert inputs_of(data, "2") == {"filename_prefix": "x"}


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


class TestSubgraphs:
    def test_nodes_inside_get_ids_below_the_subgraphs_node(self) -> None:
        prompt = convert(with_subgraph())
        assert list(prompt) == ["4", "10:1", "10:2", "11"]
        assert prompt["10:1"]["inputs"]["model"] == ["4", 0]
        assert prompt["10:1"]["inputs"]["positive"] == ["10:2", 0]
        assert prompt["10:2"]["inputs"]["clip"] == ["4", 1]
        assert prompt["11"]["inputs"]["samples"] == ["10:1", 0]

    def test_widgets_without_a_value_outside_keep_the_one_inside(self) -> None:
        prompt = convert(with_subgraph())
        assert prompt["10:1"]["inputs"]["seed"] == 5
        assert prompt["10:2"]["inputs"]["text"] == "inside"

    def test_values_of_promoted_widgets_reach_the_nodes_inside(self) -> None:
        prompt = convert(with_subgraph(values=[77, "outside"]))
        assert prompt["10:1"]["inputs"]["seed"] == 77
        assert prompt["10:2"]["inputs"]["text"] == "outside"

    def test_promoted_widgets_may_be_saved_by_name(self) -> None:
        assert convert(with_subgraph(values={"text": "named"}))["10:2"]["inputs"]["text"] == "named"

    def test_two_uses_of_a_subgraph_are_two_copies(self) -> None:
        data = with_subgraph(values=[1, "one"])
        second = drawn(20, "S", values=[2, "two"], widgets={"seed": None, "text": None})
        data["nodes"].append(second)
        prompt = convert(data)
        assert prompt["10:2"]["inputs"]["text"] == "one"
        assert prompt["20:2"]["inputs"]["text"] == "two"
        assert prompt["20:1"]["inputs"]["seed"] == 2
        assert "model" not in prompt["20:1"]["inputs"]

    def test_proxy_widgets_set_values_of_nodes_inside(self) -> None:
        proxies = {"proxyWidgets": [["1", "steps"], ["1", "cfg"]]}
        prompt = convert(with_subgraph(values=[77, "outside", 33], properties=proxies))
        assert prompt["10:1"]["inputs"]["seed"] == 77
        assert prompt["10:1"]["inputs"]["steps"] == 33
        assert prompt["10:1"]["inputs"]["cfg"] == 8

    def test_proxy_widgets_may_say_where_own_widgets_stand(self) -> None:
        proxies = {"proxyWidgets": [["1", "steps"], ["-1", "text"], ["-1", "seed"]]}
        inputs = convert(with_subgraph(values=[33, "outside", 77], properties=proxies))
        assert inputs["10:1"]["inputs"]["seed"] == 77
        assert inputs["10:1"]["inputs"]["steps"] == 33
        assert inputs["10:2"]["inputs"]["text"] == "outside"

    def test_subgraphs_nest(self) -> None:
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
                drawn(
                    10, "T", {"model": 1}, [123], widgets={"seed": None}, properties={"proxyWidgets": [["7", "text"]]}
                ),
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

    def test_a_proxy_widget_reaches_through_two_subgraphs(self) -> None:
        outer = subgraph("T", [drawn(7, "S", values=[9, "mid"], widgets={"seed": None, "text": None})], [])
        instance = drawn(10, "T", values=["from the top"], properties={"proxyWidgets": [["7", "text"]]})
        data = workflow([instance], [], definitions={"subgraphs": [outer, sampler_subgraph()]})
        assert inputs_of(data, "10:7:2")["text"] == "from the top"

    def test_definitions_may_lie_inside_definitions(self) -> None:
        outer = subgraph("T", [drawn(7, "S")], []) | {"definitions": {"subgraphs": [sampler_subgraph()]}}
        data = workflow([drawn(10, "T")], [], definitions={"subgraphs": [outer]})
        assert list(convert(data)) == ["10:7:1", "10:7:2"]

    def test_a_muted_subgraph_is_left_out_wholly(self) -> None:
        prompt = convert(with_subgraph(mode=2))
        assert list(prompt) == ["4", "11"]
        assert prompt["11"]["inputs"] == {}

    def test_a_bypassed_subgraph_passes_values_on(self) -> None:
        passing = drawn(10, "S", {"image:IMAGE": 1}, mode=4) | {"outputs": [{"name": "IMAGE", "type": "IMAGE"}]}
        data = workflow(
            [drawn(1, "LoadImage", values=["a.png"]), passing, drawn(3, "SaveImage", {"images": 2}, ["x"])],
            [(1, 1, 0, 10, 0), (2, 10, 0, 3, 0)],
            definitions={"subgraphs": [sampler_subgraph()]},
        )
        assert list(convert(data)) == ["1", "3"]
        assert inputs_of(data, "3")["images"] == ["1", 0]

    def test_a_subgraph_may_pass_an_input_straight_to_an_output(self) -> None:
        through = subgraph(
            "S", [drawn(5, "Reroute", {":*": 1})], [(1, -10, 0, 5, 0), (2, 5, 0, -20, 0)], ("in",), ("out",)
        )
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

    def test_a_get_node_inside_reaches_a_set_node_outside(self) -> None:
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

    def test_a_subgraph_inside_itself_is_refused(self) -> None:
        one, two = subgraph("A", [drawn(1, "B")], []), subgraph("B", [drawn(1, "A")], [])
        data = workflow([drawn(1, "A")], [], definitions={"subgraphs": [one, two]})
        with pytest.raises(SubgraphContainsItself, match=r"graph A.*graph B.*graph A"):
            convert(data)

    def test_subgraphs_that_multiply_are_refused_before_they_fill_the_memory(self) -> None:
        levels = [subgraph(f"L{i}", [drawn(n, f"L{i + 1}") for n in range(10)], []) for i in range(12)]
        levels.append(subgraph("L12", [drawn(1, "Number", values=[1])], []))
        data = workflow([drawn(1, "L0")], [], definitions={"subgraphs": levels})
        with pytest.raises(WorkflowTooLarge, match="200,000 nodes"):
            convert(data)

    def test_subgraphs_nested_too_deeply_are_refused(self) -> None:
        levels = [subgraph(f"L{i}", [drawn(1, f"L{i + 1}")], []) for i in range(100)]
        levels.append(subgraph("L100", [drawn(1, "Number", values=[1])], []))
        data = workflow([drawn(1, "L0")], [], definitions={"subgraphs": levels})
        with pytest.raises(WorkflowTooLarge, match="64 levels"):
            convert(data)


class TestFaults:
    def test_all_unknown_types_are_named_with_their_nodes(self) -> None:
        data = text_to_image()
        data["nodes"][5]["type"] = "Gone"
        data["nodes"][6]["type"] = "Away"
        with pytest.raises(UnknownNodeTypes) as caught:
            convert(data)
        assert caught.value.nodes == {"Gone": ("8",), "Away": ("9",)}
        assert "'Gone' (node 8)" in str(caught.value)

    def test_a_group_node_is_told_to_become_a_subgraph(self) -> None:
        data = workflow([drawn(1, "workflow>mine", {"x": 1}), drawn(2, "LoadImage")], [(1, 2, 0, 1, 0)])
        with pytest.raises(UnknownNodeTypes, match="sub-graphs"):
            convert(data)

    def test_an_unknown_muted_node_is_no_problem(self) -> None:
        data = workflow(
            [drawn(1, "Gone", {"x": 1}, mode=2), drawn(2, "LoadImage", values=["a.png"])], [(1, 2, 0, 1, 0)]
        )
        assert list(convert(data)) == ["2"]

    def test_an_unknown_node_without_links_is_mentioned_and_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            assert convert(workflow([drawn(1, "Label (rgthree)")], [])) == {}
        assert "Label (rgthree)" in caplog.text

    def test_every_fault_of_a_damaged_file_is_listed(self) -> None:
        data = {
            "nodes": [5, {"id": None, "type": "A"}, {"id": 1}, drawn(2, "LoadImage"), drawn("2", "LoadImage")],
            "links": [[1, 2], "x", {"id": 1, "origin_id": 3}, [1, 2, "a", 4, 5]],
        }
        with pytest.raises(MalformedWorkflow) as caught:
            convert(data)
        assert len(caught.value.problems) == 8

    @pytest.mark.parametrize("data", [{}, {"nodes": 3}, {"nodes": [], "links": 3}, {"1": {"class_type": "A"}}])
    def test_other_json_is_refused(self, data: dict[str, Any]) -> None:
        with pytest.raises(MalformedWorkflow):
            convert(data)

    @pytest.mark.parametrize(
        "odd",
        [
            {"inputs": 3},
            {"inputs": [3, {"name": None}]},
            {"outputs": "x"},
            {"widgets_values": 5},
            {"mode": None},
            {"properties": []},
            {"title": 4},
            {"order": "first"},
        ],
    )
    def test_odd_fields_of_a_node_do_no_harm(self, odd: dict[str, Any]) -> None:
        data = workflow([drawn(1, "LoadImage", values=["a.png"]) | odd], [])
        assert convert(data)["1"]["class_type"] == "LoadImage"


def test_a_long_chain_converts_through_as_many_reroutes() -> None:
    count = 20_000
    nodes = [drawn(0, "LoadImage", values=["a.png"])]
    nodes += [drawn(i, "Reroute", {":*": i}) for i in range(1, count)]
    nodes += [drawn(count + i, "SaveImage", {"images": count + i}, ["x"]) for i in range(count)]
    links = [(i, i - 1, 0, i, 0) for i in range(1, count)]
    links += [(count + i, count - 1, 0, count + i, 0) for i in range(count)]
    prompt = convert(workflow(nodes, links))
    assert len(prompt) == count + 1
    assert all(prompt[str(count + i)]["inputs"]["images"] == ["0", 0] for i in range(count))


def test_the_prompt_is_plain_json() -> None:
    prompt = convert(with_subgraph(values=[2**63, "x"]))
    assert json.loads(json.dumps(prompt)) == prompt
    assert prompt["10:1"]["inputs"]["seed"] == 2**63
