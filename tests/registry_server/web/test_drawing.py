"""Nodes as they are drawn, whatever their schemas hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry_server.web.drawing import LONGEST_TEXT, MOST_ROWS, draw

SCHEMA = {
    "input": {
        "required": {
            "steps": ["INT", {"default": 20, "min": 1}],
            "model": ["MODEL", {"tooltip": "What paints."}],
            "name": [["euler", "heun"], {}],
            "seed": ["INT", {"forceInput": True}],
            "mode": ["COMBO", {"options": ["a", "b"], "default": "b"}],
        },
        "optional": {"mask": ["MASK"], "odd": ["MY_TYPE"]},
        "hidden": {"prompt": "PROMPT"},
    },
    "input_order": {"required": ["model", "steps"], "optional": ["odd", "mask"]},
    "output": ["IMAGE", ["x", "y"]],
    "output_name": ["picture"],
    "output_is_list": [True, False],
    "display_name": "Paint",
    "category": "sampling",
    "output_node": True,
    "experimental": True,
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
schemas = st.dictionaries(
    st.sampled_from(["input", "input_order", "output", "output_name", "display_name"]), json_values
)


def test_sockets_and_widgets_stand_where_the_canvas_has_them() -> None:
    drawn = draw({"id": "Paint"}, SCHEMA)
    assert [(row.name, row.kind, row.optional) for row in drawn.inputs] == [
        ("model", "MODEL", False), ("seed", "INT", False), ("odd", "MY_TYPE", True), ("mask", "MASK", True)
    ]  # fmt: skip
    assert [(row.name, row.value) for row in drawn.widgets] == [("steps", "20"), ("name", "euler"), ("mode", "b")]
    assert [(row.name, row.kind, row.is_list) for row in drawn.outputs] == [
        ("picture", "IMAGE", True), ("COMBO", "COMBO", False)
    ]  # fmt: skip
    assert (drawn.title, drawn.category, drawn.marks) == ("Paint", "sampling", ("experimental", "ends a graph"))
    assert drawn.inputs[0].about == "What paints."


def test_inputs_of_changing_kinds_are_told_in_words() -> None:
    image = {"input": {"required": {"image": ["IMAGE", {}]}}}
    given = {
        "images": ["COMFY_AUTOGROW_V3", {"template": image | {"prefix": "image", "min": 2, "max": 9}}],
        "names": ["COMFY_AUTOGROW_V3", {"template": image | {"names": ["a"]}}],
        "same": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "IMAGE,MASK"}}],
        "any": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "*"}}],
        "either": ["IMAGE,MASK", {}],
        "amount": ["FLOAT,INT", {"widgetType": "FLOAT", "default": 0.5}],
        "resize": ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "by size", "inputs": {}}, {"key": "no"}]}],
    }
    schema = {"input": {"required": given}, "output": ["COMFY_MATCHTYPE_V3"], "output_name": ["COMFY_MATCHTYPE_V3"]}
    drawn = draw({"id": "Grow"}, schema)
    assert {row.name: row.kind for row in drawn.inputs} == {
        "images": "2 to 9 of IMAGE",
        "names": "any number of IMAGE",
        "same": "IMAGE or MASK, all the same",
        "any": "any type, all the same",
        "either": "IMAGE or MASK",
    }
    assert {row.name: row.value for row in drawn.widgets} == {"amount": "0.5", "resize": "by size"}
    assert [row.name for row in drawn.outputs] == ["as its inputs"]


def test_types_that_have_no_colour_of_their_own_share_one() -> None:
    drawn = draw({"id": "Paint"}, SCHEMA)
    assert [row.colour for row in drawn.inputs] == ["model", "int", "other", "mask"]


def test_a_node_without_a_schema_is_drawn_as_unknown() -> None:
    drawn = draw({"id": "Ghost", "title": "A ghost", "deprecated": "gone"}, None)
    assert (drawn.known, drawn.title, drawn.inputs, drawn.marks) == (False, "A ghost", (), ("deprecated",))


def test_huge_schemas_are_cut() -> None:
    huge = {"input": {"required": {f"{number}{'x' * 500}": ["INT", {"default": "y" * 9999}] for number in range(500)}}}
    drawn = draw({"id": "Huge"}, huge)
    assert len(drawn.widgets) == MOST_ROWS
    assert max(len(row.name) + len(row.value or "") for row in drawn.widgets) <= 2 * LONGEST_TEXT


@given(schemas | json_values)
def test_any_schema_at_all_can_be_drawn(schema: object) -> None:
    drawn = draw({"id": "Any"}, schema)
    assert drawn.id == "Any"
    assert all(isinstance(row.name, str) and isinstance(row.kind, str) for row in (*drawn.inputs, *drawn.outputs))
