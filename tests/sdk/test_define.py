"""What ``@node`` reads out of a definition, and what it refuses."""

from __future__ import annotations

import asyncio
import inspect
from typing import Annotated, Any, Literal, NamedTuple

import pytest
import torch

from sdk import (
    AnyValue,
    Blocker,
    Choice,
    DefinitionError,
    Hidden,
    Image,
    Lazy,
    Mask,
    NodeContext,
    NodeError,
    NodeResult,
    Range,
    Seed,
    Socket,
    TypedCombo,
    node,
)
from sdk.testing import run_node


class Halves(NamedTuple):
    left: Image
    right: Image


@node(category="image/colour", title="Tint")
def tint(
    image: Image,
    strength: Annotated[float, Range(0, 1, 0.01)] = 0.5,
    mode: Literal["add", "mix"] = "mix",
    mask: Mask | None = None,
) -> Image:
    """Blend an image towards a colour.

    Args:
        image: [batch, height, width, channel], float32 in 0..1.
        strength: 0 keeps the image,
            1 replaces it.
    """
    return (image, strength, mode, mask)


def test_the_signature_is_the_schema() -> None:
    assert tint.id == "Tint"
    assert tint.description == "Blend an image towards a colour."
    assert [item.config() for item in tint.inputs] == [
        ["IMAGE", {"tooltip": "[batch, height, width, channel], float32 in 0..1."}],
        ["FLOAT", {"default": 0.5, "min": 0, "max": 1, "step": 0.01, "tooltip": "0 keeps the image, 1 replaces it."}],
        [["add", "mix"], {"default": "mix"}],
        ["MASK"],
    ]
    assert [item.required for item in tint.inputs] == [True, True, True, False]
    assert [(output.type, output.name) for output in tint.outputs] == [("IMAGE", "IMAGE")]


def test_a_node_is_still_an_ordinary_function() -> None:
    assert tint("pixels", mode="add") == ("pixels", 0.5, "add", None)


def test_unions_invented_sockets_and_choices_by_source_are_inputs() -> None:
    @node
    def pick(
        number: int | float,
        thing: Annotated[object, Socket("THING")],
        name: Annotated[str, Choice(source="folder:loras")],
        either: Image | Mask,
        seed: Annotated[int, Seed()] = 0,
    ) -> None: ...

    assert [item.type for item in pick.inputs] == ["INT,FLOAT", "THING", "COMBO", "IMAGE,MASK", "INT"]
    assert pick.inputs[2].choices == "folder:loras"
    assert pick.inputs[4].option("max") == 18446744073709551615


def test_a_named_tuple_names_the_outputs() -> None:
    @node
    def split(image: Image) -> Halves:
        return Halves(image, image)

    assert [output.name for output in split.outputs] == ["left", "right"]
    pixels = torch.zeros(1, 2, 2, 3)
    assert [each is pixels for each in run_node(split, image=pixels).outputs] == [True, True]


def test_list_annotations_make_list_inputs_and_outputs() -> None:
    @node
    def scale(values: list[int], factor: int = 2) -> list[int]:
        return [value * factor for value in values]

    assert scale.takes_lists
    assert scale.outputs[0].is_list
    assert run_node(scale, values=[1, 2], factor=3).outputs == ([3, 6],)


def test_context_and_hidden_values_are_not_inputs() -> None:
    @node
    def who(context: NodeContext, uid: Annotated[str, Hidden.UNIQUE_ID]) -> str:
        return f"{context.prompt_id}/{uid}"

    assert who.inputs == ()
    assert run_node(who).outputs == ("test/1",)


def test_an_async_node_settles_to_a_result() -> None:
    @node
    async def later(value: int) -> int:
        return value + 1

    assert run_node(later, value=1).outputs == (2,)


def test_a_class_keeps_state_and_asks_for_lazy_inputs() -> None:
    @node
    class Switch:
        """Pick one of two."""

        def __init__(self) -> None:
            self.calls = 0

        def run(self, first: bool, a: Annotated[AnyValue, Lazy()] = None, b: Annotated[AnyValue, Lazy()] = None) -> int:
            self.calls += 1
            return self.calls

        def check_lazy(self, first: bool, a: object, b: object) -> list[str]:
            return ["a" if first else "b"]

        @staticmethod
        def fingerprint(first: bool) -> str:
            return str(first)

        @staticmethod
        def validate(first: bool) -> bool | str:
            return True if first else "first must be on"

    state = Switch.create()
    assert [Switch.run(state, {"first": True}, None).outputs for _ in range(2)] == [(1,), (2,)]
    assert Switch.lazy(state, {"first": False}) == ["b"]
    assert Switch.fingerprint({"first": True}) == "True"
    assert Switch.validation.names == {"first"}
    assert Switch.validation.check(first=False) == "first must be on"


def test_a_result_may_carry_a_blocker_ui_and_an_expansion() -> None:
    @node(returns=tuple[int, int])
    def half(value: int) -> NodeResult:
        return NodeResult(outputs=(value, Blocker("no second half")), ui={"text": [str(value)]})

    assert run_node(half, value=4) == NodeResult(outputs=(4, Blocker("no second half")), ui={"text": ["4"]})


def no_annotation(image) -> Image: ...  # type: ignore[no-untyped-def]
def no_return(image: Image): ...  # type: ignore[no-untyped-def]
def unknown_type(value: dict) -> Image: ...  # type: ignore[type-arg]
def unknown_name(value: NoSuchType) -> Image: ...  # type: ignore[name-defined]  # noqa: F821
def out_of_range(value: Annotated[int, Range(1, 5)] = 9) -> Image: ...
def wrong_default(value: int = "nine") -> Image: ...  # type: ignore[assignment]
def not_a_choice(value: Literal["a", "b"] = "c") -> Image: ...  # type: ignore[assignment]
def lazy_for_nobody(value: Annotated[int, Lazy()]) -> Image: ...
def everything(*values: int) -> Image: ...


def wrong_docstring(value: int) -> Image:
    """Do it.

    Args:
        valeu: a typing mistake.
    """


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (no_annotation, "parameter 'image' has no annotation"),
        (no_return, "it has no return annotation"),
        (unknown_type, "'value' is annotated with dict, which is no socket type"),
        (unknown_name, "an annotation can't be resolved"),
        (out_of_range, "the default of 'value' is 9, outside its range 1..5"),
        (wrong_default, "the default of 'value' is 'nine', which is no INT"),
        (not_a_choice, "the default of 'value' is 'c', which is not among its choices"),
        (lazy_for_nobody, "input 'value' is lazy but nothing asks for it"),
        (everything, "parameter 'values' can't become an input"),
        (wrong_docstring, "the docstring's Args names 'valeu', which is no input"),
    ],
)
def test_a_wrong_definition_fails_where_it_is_made_and_names_the_node(function: object, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        node(id="Broken")(function)
    assert caught.value.node == "Broken"
    assert problem in str(caught.value)
    assert caught.value.remedy


def test_outputs_and_names_must_agree() -> None:
    with pytest.raises(DefinitionError, match="it names 1 outputs but returns 2"):

        @node(names=["only"])
        def two(value: int) -> tuple[int, int]:
            return value, value


def test_a_class_without_run_is_refused() -> None:
    with pytest.raises(DefinitionError, match="no `run` method"):

        @node
        class Nothing: ...


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("@node\ndef f(seed: Annotated[int, Seed()] = -1) -> int: ...", "outside its range 0"),
        ("@node\ndef f(x: Annotated[str, Range(0, 1)] = 'a') -> int: ...", "is STRING and has a Range"),
        ("@node\ndef f(x: 'Image.nothing') -> int: ...", "an annotation can't be resolved"),
        ("@node\ndef f(x: 'int |') -> int: ...", "an annotation can't be resolved"),
        ("@node(id='core/KSampler')\ndef f(x: int) -> int: ...", "'core/KSampler' can't be an id"),
        ("@node\nclass F:\n  @staticmethod\n  def run(x: int) -> int: ...", "`run` is a static or class method"),
        (
            "@node\nclass F:\n  def run(self, x: int) -> int: ...\n  def validate(self, x): ...",
            "`validate` is called without",
        ),
        ("node(3)", "neither a function nor a class"),
    ],
)
def test_what_can_not_work_is_refused_where_it_is_defined(source: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        exec(source, {"node": node, "Annotated": Annotated, "Seed": Seed, "Range": Range, "Image": Image})


def test_a_wrong_number_of_values_is_an_error_and_a_blocker_blocks_all_outputs() -> None:
    @node
    def two(x: int) -> tuple[int, int]:
        return {0: (1,), 1: Blocker("no"), 2: "ab"}.get(x)  # type: ignore[return-value]

    with pytest.raises(TypeError, match="node 'Two' returned 1 values for its 2 outputs"):
        two.run(None, {"x": 0}, None)
    with pytest.raises(TypeError, match="returned one str"):
        two.run(None, {"x": 2}, None)
    assert two.run(None, {"x": 1}, None).outputs == (Blocker("no"), Blocker("no"))


def test_an_asynchronous_function_is_known_as_one_before_it_is_called() -> None:
    @node
    async def later(x: int) -> int:
        return x

    assert inspect.iscoroutinefunction(later.run)
    assert asyncio.run(later.run(None, {"x": 4}, None)).outputs == (4,)


def test_a_hidden_value_may_be_optional_and_an_alias_stands_for_its_value() -> None:
    class TypeAliasType:  # what ``type Amount = …`` makes in Python 3.12 and later
        __value__ = Annotated[float, Range(0, 1)]

    def work(amount: Any, uid: Any = None) -> int: ...

    work.__annotations__ = {"amount": TypeAliasType(), "uid": Annotated[str, Hidden.UNIQUE_ID] | None, "return": int}
    made = node(work)
    assert [(item.name, item.type, item.option("max")) for item in made.inputs] == [("amount", "FLOAT", 1)]
    assert made.hidden == {"uid": Hidden.UNIQUE_ID}


def test_a_typed_combo_lists_its_choices_among_the_options_and_is_checked() -> None:
    @node
    def pick(
        mode: Annotated[Literal["a", "b"], TypedCombo(multiselect=False)] = "a",
        file: Annotated[str, Choice(source="folder:loras"), TypedCombo()] = "",
    ) -> str:
        return mode + file

    mode, file = pick.inputs
    assert mode.config() == ["COMBO", {"default": "a", "options": ["a", "b"], "multiselect": False}]
    assert (file.type, file.choices, file.typed_combo) == ("COMBO", "folder:loras", True)
    assert run_node(pick, mode="b", file="x").outputs == ("bx",)
    with pytest.raises(NodeError, match="is not one of"):
        run_node(pick, mode="c", file="x")


def test_a_typed_combo_needs_a_list() -> None:
    with pytest.raises(DefinitionError, match=r"'x' is INT and has a TypedCombo. Only Literal and Choice have a list"):

        @node
        def wrong(x: Annotated[int, TypedCombo()]) -> int:
            return x


def test_tooltips_of_a_class_come_from_its_own_docstring_and_from_that_of_run() -> None:
    @node
    class Blend:
        """Mix two numbers.

        Args:
            a: the first.
            share: said of the class.
        """

        def run(self, a: float, b: float, share: float = 0.5) -> float:
            """Do it.

            Args:
                b: the second.
                share: how much of b.
            """
            return a + b + share

    assert Blend.description == "Mix two numbers."
    assert [item.option("tooltip") for item in Blend.inputs] == ["the first.", "the second.", "how much of b."]


def test_a_name_in_the_docstring_of_run_that_is_no_input_is_refused() -> None:
    with pytest.raises(DefinitionError, match="the docstring's Args names 'c', which is no input"):

        @node
        class Wrong:
            """It."""

            def run(self, a: float) -> float:
                """Do it.

                Args:
                    c: nothing.
                """
                return a
