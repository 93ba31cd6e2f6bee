"""Whatever a node returns becomes a result, or an error that names the node."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest

from host.comfyui.results import finish, read_result
from host.comfyui.surface.node_output import NodeOutput
from sdk.nodes import Blocker, Output

TWO = (Output(type="INT", name="a"), Output(type="INT", name="b"))
LIST = (Output(type="INT", name="a", is_list=True),)
WHERE = "pack 'p', node 'N'"


@pytest.mark.parametrize(
    ("value", "outputs", "expected"),
    [
        ((1, 2), TWO, (1, 2)),
        ([1, 2], TWO, (1, 2)),
        ((1,), TWO, (1, None)),
        ((), TWO, (None, None)),
        ((), LIST, ([None],)),
        (([],), LIST, ([],)),
        (Blocker("m"), TWO, (Blocker("m"), Blocker("m"))),
        ({"result": (1, 2)}, TWO, (1, 2)),
        ({"result": Blocker()}, TWO, (Blocker(), Blocker())),
        ({"ui": {}}, TWO, (None, None)),
        ({}, (), ()),
        (None, (), ()),
        (NodeOutput(1, 2), TWO, (1, 2)),
        (NodeOutput(), TWO, (None, None)),
        (NodeOutput.from_dict({"result": (1, 2), "ui": {"a": [1]}}), TWO, (1, 2)),
    ],
)
def test_values_fit_the_declared_outputs(value: Any, outputs: tuple[Output, ...], expected: tuple[Any, ...]) -> None:
    assert read_result(value, outputs, WHERE).outputs == expected


def test_values_too_many_are_cut_and_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    assert read_result((1, 2, 3), TWO, WHERE).outputs == (1, 2)
    assert f"{WHERE} returned 3 values but declares 2 outputs" in caplog.text


@pytest.mark.parametrize("value", [None, 5, {1, 2}, object()])
def test_other_values_are_errors_that_name_the_node(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        read_result(value, TWO, WHERE)
    assert WHERE in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("ui", "expected"), [({"a": [1], "b": (2, 3), "c": "x"}, {"a": [1], "b": [2, 3], "c": ["x"]}), ({}, {})]
)
def test_ui_values_are_lists(ui: Any, expected: Any) -> None:
    assert read_result({"ui": ui}, (), WHERE).ui == expected
    assert read_result(NodeOutput(ui=SimpleNamespace(as_dict=lambda: ui)), (), WHERE).ui == expected


def test_ui_that_is_no_dict_is_refused() -> None:
    with pytest.raises(TypeError, match="`ui`"):
        read_result({"ui": [1]}, (), WHERE)


def test_an_expansion_comes_with_its_links() -> None:
    graph = {"x": {"class_type": "A", "inputs": {}}}
    result = read_result({"result": (["x", 0], 5), "expand": graph}, TWO, WHERE)
    assert result.expand == graph
    assert result.outputs == (["x", 0], 5)


def test_waiting_works_inside_and_outside_of_an_event_loop() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("seen")

    async def work() -> str:
        await asyncio.sleep(0)
        return variable.get()

    async def inside() -> Any:
        return finish(work())

    assert finish(3) == 3
    assert finish(work()) == "seen"
    assert asyncio.run(inside()) == "seen"
