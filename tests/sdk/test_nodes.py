"""The records by which the engine knows nodes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from sdk import MISSING, Blocker, Input, NodeResult, NodeType, node


def test_an_input_answers_for_its_options() -> None:
    item = Input(name="x", type="INT", options={"default": 3, "lazy": True, "rawLink": True})
    assert (item.default, item.lazy, item.raw_link, item.option("max", 9)) == (3, True, True, 9)
    bare = Input(name="x", type="INT")
    assert (bare.default, bare.lazy, bare.raw_link) == (MISSING, False, False)


def test_missing_is_false_and_says_its_name() -> None:
    assert not MISSING
    assert repr(MISSING) == "MISSING"


@pytest.mark.parametrize(
    ("item", "config"),
    [
        (Input(name="x", type="INT"), ["INT"]),
        (Input(name="x", type="INT", options={}), ["INT", {}]),
        (Input(name="x", type="COMBO", choices=("a", "b"), options={"default": "a"}), [["a", "b"], {"default": "a"}]),
        (Input(name="x", type="COMBO", typed_combo=True, options={"options": ["a"]}), ["COMBO", {"options": ["a"]}]),
    ],
)
def test_an_input_s_declaration_is_what_front_ends_read(item: Input, config: list[object]) -> None:
    assert item.config() == config


def test_choices_from_a_source_must_be_resolved_before_they_are_shown() -> None:
    with pytest.raises(ValueError, match="still the source 'input'"):
        Input(name="x", type="COMBO", choices="input").config()


def test_records_are_frozen_and_results_compare_by_value() -> None:
    assert NodeResult(outputs=(1, Blocker("no"))) == NodeResult(outputs=(1, Blocker("no")))
    with pytest.raises(FrozenInstanceError):
        NodeResult().outputs = (1,)


def test_a_node_that_is_no_python_function_can_t_be_called() -> None:
    with pytest.raises(TypeError, match="'Odd' was not made from a Python function"):
        NodeType(id="Odd", run=lambda state, inputs, context: NodeResult())()


def test_a_class_s_node_is_called_by_its_run() -> None:
    @node
    class Add:
        def run(self, a: int, b: int = 1) -> int:
            return a + b

    assert Add(2) == 3
    assert Add.input("b").default == 1
    assert Add.input("c") is None
    assert Add.true_id == "/Add"
