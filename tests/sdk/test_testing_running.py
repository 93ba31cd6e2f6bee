"""The test kit runs nodes by the engine's rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
import torch

from sdk import AnyValue, Blocker, Hidden, Image, Lazy, NodeContext, NodeError, NodeType, Range, Seed, node
from sdk.testing import FakeContext, NodeUnderTest, map_node, run_node


@node
def scale(value: int, factor: Annotated[float, Range(0, 10)] = 2.0, note: str = "") -> float:
    """Value times factor."""
    return value * factor


@node
class Count:
    """How often it ran."""

    def __init__(self) -> None:
        self.calls = 0

    def run(self, step: int = 1) -> int:
        self.calls += step
        return self.calls


@node
class Pick:
    """One of two."""

    def run(self, first: bool, a: Annotated[AnyValue, Lazy()], b: Annotated[AnyValue, Lazy()] = None) -> AnyValue:
        return a if first else b

    async def check_lazy(self, first: bool, a: Any, b: Any) -> list[str]:
        return ["a"] if first and a is None else []


def test_defaults_are_filled_in_and_constants_converted() -> None:
    assert run_node(scale, value="3").outputs == (6.0,)
    assert run_node(scale, value=3.9, factor=1).outputs == (3.0,)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "needs the input 'value' \\(INT\\)"),
        ({"value": "x"}, "value = 'x' is no INT"),
        ({"value": 1, "factor": 11}, r"factor = 11.0 is outside 0\.\.10"),
        ({"value": 1, "facto": 1}, "has no input 'facto'; it has value, factor, note"),
    ],
)
def test_what_the_engine_would_refuse_is_refused(inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(NodeError, match=said):
        run_node(scale, **inputs)


def test_a_choice_outside_the_list_is_refused() -> None:
    @node
    def mode(way: Literal["x", "y"] = "x") -> str:
        return way

    assert run_node(mode, way="y").outputs == ("y",)
    with pytest.raises(NodeError, match=r"way = 'z' is not one of \['x', 'y'\]"):
        run_node(mode, way="z")


def test_a_node_s_state_lives_as_long_as_the_node_under_test() -> None:
    subject = NodeUnderTest(Count)
    assert [subject.run().outputs, subject.run(step=2).outputs] == [(1,), (3,)]
    assert run_node(Count).outputs == (1,)


def test_lazy_inputs_are_asked_for_and_may_be_left_out_until_then() -> None:
    pick = NodeUnderTest(Pick)
    assert pick.wanted(first=True) == {"a"}
    assert pick.wanted(first=True, a=1) == set()
    assert pick.run(first=True, a=5).outputs == (5,)
    assert NodeUnderTest(scale).wanted(value=1) == set()


def test_a_node_s_own_validation_sees_constants_and_none_for_links() -> None:
    seen: list[dict[str, Any]] = []

    def validate(image: Any, amount: float = 0.0) -> bool | str:
        seen.append({"image": image, "amount": amount})
        return amount < 5 or "too much"

    @node(validate=validate)
    def change(image: Image, amount: Annotated[float, Range(0, 1)] = 0.5) -> Image:
        return image

    pixels = torch.zeros(1, 2, 2, 3)
    assert run_node(change, image=pixels, amount=3).outputs[0] is pixels
    assert seen == [{"image": None, "amount": 3.0}]
    with pytest.raises(NodeError, match="'Change' refuses its inputs: too much"):
        run_node(change, image=pixels, amount=6)


def test_a_validation_may_ask_for_the_types_of_links() -> None:
    @node(validate=lambda input_types: input_types == {"image": "IMAGE"})
    def show(image: Image, size: int = 1) -> Image:
        return image

    pixels = torch.zeros(1, 2, 2, 3)
    assert run_node(show, image=pixels).outputs[0] is pixels


def test_hidden_values_are_there_and_can_be_given() -> None:
    @node
    def who(
        uid: Annotated[str, Hidden.UNIQUE_ID], prompt: Annotated[Any, Hidden.PROMPT] = None
    ) -> tuple[str, AnyValue]:
        return uid, prompt

    assert run_node(who).outputs == ("1", {})
    assert run_node(who, uid="7").outputs == ("7", {})


def test_a_seed_takes_sixty_four_bits_and_no_more() -> None:
    @node
    def draw(seed: Annotated[int, Seed()] = 0) -> int:
        return seed

    assert run_node(draw, seed=2**64 - 1).outputs == (2**64 - 1,)
    with pytest.raises(NodeError, match="outside"):
        run_node(draw, seed=2**64)


def test_whole_lists_are_converted_item_by_item() -> None:
    @node
    def total(values: list[int], factor: int = 1) -> int:
        return sum(values) * factor

    assert run_node(total, values=["1", 2]).outputs == (3,)
    with pytest.raises(NodeError, match="takes whole lists"):
        map_node(total, values=[[1]])


def test_lists_are_mapped_and_shorter_ones_repeat_their_last() -> None:
    assert map_node(scale, value=[1, 2, 3], factor=[1.0, 10.0]) == ([1.0, 20.0, 30.0],)
    with pytest.raises(NodeError, match="the list for 'value' is empty"):
        map_node(scale, value=[])


def test_list_outputs_are_laid_end_to_end_and_blockers_stand_for_themselves() -> None:
    @node
    def count_to(value: int) -> list[int]:
        return list(range(value)) if value else Blocker("none")

    (numbers,) = map_node(count_to, value=[2, 0, 1])
    assert numbers == [0, 1, Blocker("none"), 0]


def test_a_mapped_node_keeps_its_state() -> None:
    assert map_node(Count, step=[1, 1, 1]) == ([1, 2, 3],)


def test_a_result_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(NodeError, match="which is no NodeResult"):
        run_node(NodeType(id="Odd", run=lambda state, inputs, context: 3))


def test_an_async_node_is_awaited_and_gets_its_context() -> None:
    @node
    async def later(context: NodeContext) -> str:
        context.text("done")
        return context.node_id

    context = FakeContext(node_id="9")
    assert run_node(later, context).outputs == ("9",)
    assert context.texts == ["done"]
