"""Drawn workflows become the prompts an editor would have queued."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

from host.engine.ui_format.conversion import is_ui_format, to_api
from host.engine.ui_format.errors import (
    EndlessLinks,
    MalformedWorkflow,
    UnknownNodeTypes,
)
from tests.support.drawn_workflows import (
    NODE_TYPES,
    as_version_1,
    drawn,
    text_to_image,
    workflow,
)


def convert(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return to_api(data, NODE_TYPES)


def inputs_of(data: dict[str, Any], node_id: str) -> dict[str, Any]:
    return convert(data)[node_id]["inputs"]


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
