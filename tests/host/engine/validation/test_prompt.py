"""What of a prompt can run; the exact JSON of every fault is checked against reference data in tests/goldens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from host.engine.validation.prompt import Validated, validate
from host.folders import LocalFolders
from sdk.nodes import Input, NodeType, Output, Validation
from tests.support.engine import Bench, api, make_node
from tests.support.node_context import NoModels


def kinds(checked: Validated) -> dict[str, list[str]]:
    return {node: [fault["type"] for fault in entry["errors"]] for node, entry in checked.node_errors.items()}


def chain(length: int) -> dict[str, Any]:
    links = {str(i): ("Add", {"a": [str(i - 1), 0], "b": 1}) for i in range(1, length)}
    return {"0": ("Number", {"value": 1}), **links, "out": ("Show", {"v": [str(length - 1), 0]})}


def test_a_chain_of_20_000_nodes_is_legal_and_comes_out_in_order() -> None:
    checked = Bench().validate(chain(20_000))
    assert checked.error is None
    assert list(checked.nodes) == [*map(str, range(20_000)), "out"]


def test_every_fault_of_every_node_is_reported_at_once() -> None:
    checked = Bench().validate(
        {
            "1": ("Number", {"value": "x"}),
            "2": ("Add", {"a": ["1", 0], "b": []}),
            "3": ("Add", {"b": {"no": "number"}}),
            "4": ("Show", {"v": ["2", 0]}),
            "5": ("Show", {"v": ["3", 0]}),
        }
    )
    assert checked.error is not None
    assert {node: sorted(faults) for node, faults in kinds(checked).items()} == {
        "1": ["invalid_input_type"],
        "2": ["bad_linked_input"],
        "3": ["invalid_input_type", "required_input_missing"],
    }


@pytest.mark.parametrize("value", ["x", "9" * 5000, float("inf"), float("nan"), {"no": "number"}, None])
def test_what_is_no_number_is_a_fault(value: Any) -> None:
    assert kinds(Bench().validate({"1": ("Number", {"value": value}), "2": ("Show", {"v": ["1", 0]})})) == {
        "1": ["invalid_input_type"]
    }


def test_good_outputs_run_although_others_are_bad_and_only_their_nodes_are_in_the_graph() -> None:
    checked = Bench().validate(
        {
            "1": ("Number", {"value": 1}),
            "2": ("Number", {"value": None}),
            "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
            "4": ("Show", {"v": ["3", 0]}),
            "5": ("Show", {"v": 7}),
        }
    )
    assert checked.error is None
    assert checked.outputs == ("5",)
    assert list(checked.nodes) == ["5"]
    assert list(checked.node_errors) == ["2"]


def test_converted_constants_leave_the_given_prompt_as_it_was() -> None:
    bench = Bench()
    given = api({"1": ("Number", {"value": "12"}), "2": ("Show", {"v": ["1", 0]}), "9": ("Number", {"value": "x"})})
    checked = validate(given, bench.catalogue.current())
    assert given["1"]["inputs"] == {"value": "12"}
    assert checked.prompt["1"]["inputs"] == {"value": 12}
    assert checked.prompt["9"] is given["9"]


@pytest.mark.parametrize("prompt", [None, [1, 2], "hello", 3, {"1": 5}, {"1": {"class_type": ["Number"]}}])
def test_a_prompt_of_another_shape_is_an_error_and_not_a_crash(prompt: object) -> None:
    checked = validate(prompt, Bench().catalogue.current())
    assert checked.error is not None
    assert checked.error["type"] == "invalid_prompt"


def test_a_cycle_makes_its_outputs_bad_and_is_named() -> None:
    checked = Bench().validate(
        {
            "1": ("Add", {"a": ["2", 0], "b": 1}),
            "2": ("Add", {"a": ["3", 0], "b": 1}),
            "3": ("Add", {"a": ["1", 0], "b": ["0", 0]}),
            "0": ("Number", {"value": 1}),
            "4": ("Show", {"v": ["1", 0]}),
            "5": ("Show", {"v": ["0", 0]}),
        }
    )
    assert checked.cycle == ("1", "2", "3")
    assert checked.outputs == ("5",)


def test_a_cycle_nobody_needs_is_no_fault() -> None:
    checked = Bench().validate({"1": ("Add", {"a": ["1", 0], "b": 1}), "2": ("Show", {"v": 1})})
    assert checked.error is None
    assert checked.cycle == ()


def test_the_node_that_raised_is_named_once_and_its_other_readers_fail_with_it() -> None:
    def check(x: int) -> bool:
        raise KeyError("boom")

    odd = make_node("Odd", lambda x: x, {"x": "INT"}, validation=Validation(check=check, names=frozenset({"x"})))
    checked = Bench(odd).validate(
        {"1": ("Odd", {"x": 1}), "2": ("Show", {"v": ["1", 0]}), "3": ("Show", {"v": ["1", 0]})}
    )
    assert kinds(checked) == {"1": ["exception_during_inner_validation"]}
    assert checked.node_errors["1"]["dependent_outputs"] == ["2", "3"]


def test_a_schema_that_can_not_be_made_is_a_fault_of_the_node() -> None:
    def refresh() -> NodeType:
        raise RuntimeError("no list today")

    checked = Bench(make_node("Broken", lambda: 1, refresh=refresh)).validate(
        {"1": ("Broken", {}), "2": ("Show", {"v": ["1", 0]}), "3": ("Show", {"v": 1})}
    )
    assert checked.outputs == ("3",)
    assert kinds(checked) == {"2": ["exception_during_validation"]}


def test_validation_of_a_list_node_gets_lists() -> None:
    seen: list[Any] = []
    check = Validation(check=lambda x, y: bool(seen.append((x, y)) or True), names=frozenset({"x", "y"}))
    node = make_node("Sum", lambda x, y: 0, {"x": "INT", "y": "INT"}, takes_lists=True, validation=check)
    Bench(node).validate(
        {"0": ("Number", {"value": 1}), "1": ("Sum", {"x": 3, "y": ["0", 0]}), "2": ("Show", {"v": ["1", 0]})}
    )
    assert seen == [([3], [None])]


def test_an_undeclared_link_must_lead_to_a_node() -> None:
    checked = Bench().validate({"1": ("Show", {"v": 1, "extra": ["7", 0]})})
    assert kinds(checked) == {"1": ["exception_during_validation"]}


class Strict(str):
    """A type name that equals nothing but itself, as packs define such."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


class Lax(Strict):
    """A type name that never differs from another."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False


def test_types_that_define_their_own_equality_decide_themselves() -> None:
    strict = make_node("StrictIn", lambda v: v, [Input(name="v", type=Strict("*"))], output_node=True)
    lax = make_node("LaxOut", lambda: 1, outputs=(Lax("ODD"),))
    bench = Bench(strict, lax)
    refused = bench.validate({"1": ("Number", {"value": 1}), "2": ("StrictIn", {"v": ["1", 0]})})
    assert kinds(refused) == {"2": ["return_type_mismatch"]}
    assert (
        bench.validate(
            {"1": ("LaxOut", {}), "2": ("Add", {"a": ["1", 0], "b": 1}), "3": ("Show", {"v": ["2", 0]})}
        ).error
        is None
    )


def test_a_list_of_choices_takes_links_of_its_own_kind_and_no_text() -> None:
    pick = make_node("Pick", lambda x: x, [Input(name="x", type="COMBO", choices=("a", "b"))], output_node=True)
    combo = make_node("Combo", lambda: "a", outputs=("COMBO",))
    text = make_node("Text", lambda: "a", outputs=("STRING",))
    bench = Bench(pick, combo, text)
    assert bench.validate({"1": ("Combo", {}), "2": ("Pick", {"x": ["1", 0]})}).error is None
    assert kinds(bench.validate({"1": ("Text", {}), "2": ("Pick", {"x": ["1", 0]})})) == {"2": ["return_type_mismatch"]}


def test_a_file_that_a_node_reads_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "there.png").write_bytes(b"x")
    load = make_node(
        "Load",
        lambda image: image,
        [Input(name="image", type="COMBO", choices="input:image")],
        reads=("image",),
        validation=Validation(check=lambda image: True, names=frozenset({"image"})),
        output_node=True,
    )
    folders = LocalFolders(tmp_path, NoModels())
    bench = Bench(load, choices=folders.choices)
    assert bench.validate({"1": ("Load", {"image": "there.png"})}, folders=folders).error is None
    missing = bench.validate({"1": ("Load", {"image": "gone.png"})}, folders=folders)
    assert missing.error is not None
    assert missing.error["details"] == "Custom validation failed for node: image - Invalid image file: gone.png"
    assert bench.validate({"1": ("Load", {"image": "gone.png"})}).error is None


def test_many_faults_of_one_output_cost_no_more_than_their_number() -> None:
    wide = NodeType(
        id="Wide",
        run=lambda state, inputs, context: inputs,
        inputs=tuple(Input(name=f"i{n}", type="INT") for n in range(2_000)),
        outputs=(Output(type="INT", name="INT"),),
        output_node=True,
        pack="test",
    )
    prompt: dict[str, Any] = {str(n): ("Number", {"value": "x"}) for n in range(2_000)}
    prompt["wide"] = ("Wide", {f"i{n}": [str(n), 0] for n in range(2_000)})
    checked = Bench(wide).validate(prompt)
    assert len(checked.node_errors) == 2_000


@pytest.mark.parametrize(
    ("options", "fault"), [({"min": 0.0}, "value_smaller_than_min"), ({"max": 1.0}, "value_bigger_than_max")]
)
def test_nan_is_out_of_every_range(options: dict[str, float], fault: str) -> None:
    item = Input(name="value", type="FLOAT", options=options)
    limited = make_node("Limited", lambda value: value, [item], output_node=True)
    checked = Bench(limited).validate({"1": ("Limited", {"value": float("nan")})})
    assert kinds(checked) == {"1": [fault]}


def test_a_link_to_a_node_that_is_not_there_is_told_as_clients_know_it() -> None:
    checked = Bench().validate({"1": ("Show", {"v": ["77", 0]})})
    assert checked.error is not None
    assert checked.error["type"] == "prompt_outputs_failed_validation"
    assert checked.error["details"] == "Exception when validating node: '77'"
    (fault,) = checked.node_errors["1"]["errors"]
    assert len(fault["extra_info"].pop("traceback")) > 0
    assert fault == {
        "type": "exception_during_validation",
        "message": "Exception when validating node",
        "details": "'77'",
        "extra_info": {"exception_type": "KeyError"},
    }
    assert checked.node_errors["1"]["dependent_outputs"] == ["1"]
