"""Nodes are described to clients exactly as the reference host describes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host.comfyui.loading import load_pack
from host.engine.object_info import describe, object_info
from sdk.markers import Hidden
from sdk.nodes import Input, NodeResult, NodeType, Output
from tests.support.comfy_packs import TEST_PACK

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "object_info_testpack.json").read_text())
PLAIN = NodeType(id="N", run=lambda state, inputs, context: NodeResult())


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return object_info(load_pack(TEST_PACK).nodes)


@pytest.mark.parametrize("node_id", RECORDED)
def test_the_test_pack_is_described_as_recorded(node_id: str, described: dict[str, Any]) -> None:
    assert described[node_id] == RECORDED[node_id]
    assert json.dumps(described[node_id]["input"]) == json.dumps(RECORDED[node_id]["input"]), "the order counts too"


def test_nothing_else_is_described(described: dict[str, Any]) -> None:
    assert list(described) == list(RECORDED)


def test_a_node_of_our_own_has_every_field_clients_rely_on() -> None:
    node = replace(
        PLAIN,
        category="image",
        inputs=(
            Input(name="x", type="INT", options={"default": 1}),
            Input(name="o", type="COMBO", choices=("a", "b"), required=False),
        ),
        outputs=(Output(type="IMAGE", name="picture", is_list=True),),
        hidden={"uid": Hidden.UNIQUE_ID},
        python_module="nodes",
    )
    assert json.loads(json.dumps(describe(node))) == {
        "input": {
            "required": {"x": ["INT", {"default": 1}]},
            "optional": {"o": [["a", "b"]]},
            "hidden": {"uid": "UNIQUE_ID"},
        },
        "input_order": {"required": ["x"], "optional": ["o"], "hidden": ["uid"]},
        "output": ["IMAGE"],
        "output_is_list": [True],
        "output_name": ["picture"],
        "name": "N",
        "display_name": "N",
        "description": "",
        "python_module": "nodes",
        "category": "image",
        "output_node": False,
    }


def test_a_node_without_inputs_has_an_empty_section() -> None:
    assert describe(PLAIN)["input"] == {"required": {}}


def test_marks_appear_only_where_they_are_set() -> None:
    node = replace(
        PLAIN,
        deprecated="use M",
        experimental=True,
        outputs=(Output(type="INT", name="a", tooltip="t"), Output(type="INT", name="b")),
    )
    entry = describe(node)
    assert entry["deprecated"] is True
    assert entry["experimental"] is True
    assert entry["output_tooltips"] == ["t", None]
    assert {"deprecated", "experimental", "output_tooltips", "api_node"}.isdisjoint(describe(PLAIN))


def test_large_integers_keep_every_digit() -> None:
    node = replace(PLAIN, inputs=(Input(name="seed", type="INT", options={"max": 2**64 - 1}),))
    assert "18446744073709551615" in json.dumps(describe(node))


def test_values_that_json_cannot_hold_are_left_out_or_written_plainly() -> None:
    options = {"max": float("inf"), "default": float("nan"), "list": [1.0, float("-inf")], "at": Path("a"), "s": {1}}
    node = replace(PLAIN, inputs=(Input(name="x", type="FLOAT", options=options),))
    assert describe(node)["input"]["required"]["x"] == ["FLOAT", {"list": [1.0, None], "at": "a", "s": [1]}]
    json.dumps(describe(node), allow_nan=False)


def test_choices_that_are_still_a_source_are_refused() -> None:
    node = replace(PLAIN, inputs=(Input(name="x", type="COMBO", choices="samplers"),))
    with pytest.raises(ValueError, match="samplers"):
        describe(node)


def test_further_facts_of_a_node_win() -> None:
    entry = describe(replace(PLAIN, info={"display_name": None, "api_node": False, "search_aliases": ("n",)}))
    assert entry["display_name"] is None
    assert entry["api_node"] is False
    assert entry["search_aliases"] == ["n"]
