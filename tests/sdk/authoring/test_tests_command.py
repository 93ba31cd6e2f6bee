"""`comfy-nodes test` finds what is wrong with a pack's nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdk.testing.packs import write_pack
from tests.support.command_line import CommandLine

PACK = """
    import random
    from typing import Annotated, Any
    from sdk import Determinism, Image, NodeContext, NodeError, Socket, hookimpl, node

    Thing = Annotated[Any, Socket("THING")]
    Other = Annotated[Any, Socket("OTHER")]

    @node(category="c")
    def good(image: Image, number: int = 1) -> Image:
        '''Fine.

        Args:
            image: An image.
            number: A number.
        '''
        return image * number

    @node
    def undescribed(number: int = 1) -> int:
        return number

    @node(category="c")
    def too_bright(image: Image) -> Image:
        '''Bright.

        Args:
            image: An image.
        '''
        return image + 1

    @node(category="c")
    def wrong_type() -> str:
        '''A number where a text is promised.'''
        return 7

    @node(category="c")
    def in_place(image: Image) -> Image:
        '''Changes what it gets.

        Args:
            image: An image.
        '''
        return image.mul_(0.5)

    @node(category="c")
    def dice() -> float:
        '''Another number each time.'''
        return random.random()

    @node(category="c", determinism=Determinism.EXTERNAL)
    def honest_dice() -> float:
        '''Another number each time, and says so.'''
        return random.random()

    @node(category="c")
    def stubborn(context: NodeContext) -> int:
        '''Goes on when it is cancelled.'''
        try:
            context.progress(1, 2)
        except Exception:
            pass
        return 1

    @node(category="c")
    def make_thing(text: str = "x") -> Thing:
        '''A thing.

        Args:
            text: What of.
        '''
        return (text,)

    @node(category="c")
    def use_thing(thing: Thing) -> str:
        '''What a thing is of.

        Args:
            thing: It.
        '''
        return thing[0]

    @node(category="c")
    def use_other(other: Other) -> int:
        '''Nobody makes one.

        Args:
            other: It.
        '''
        return 1

    @node(category="c")
    def choosy(text: str) -> str:
        '''Takes one word alone.

        Args:
            text: The word.
        '''
        if text != "please":
            raise NodeError("say please")
        return text

    @hookimpl
    def register_nodes():
        return [good, undescribed, too_bright, wrong_type, in_place, dice, honest_dice, stubborn, make_thing,
                use_thing, use_other, choosy]
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("packs")
    write_pack(folder, "mixed", PACK)
    ended = CommandLine(folder)("test", "mixed", "--json")
    assert ended.code == 12
    return ended.json["error"]


def outcomes(report: dict[str, Any], node: str, outcome: str) -> dict[str, str]:
    prefix = f"::trial: {node} "
    found = [test for test in report["tests"] if test["test"].startswith(prefix) and test["outcome"] == outcome]
    return {test["test"].removeprefix(prefix): test["message"] for test in found}


@pytest.mark.parametrize(
    ("node", "trial", "message"),
    [
        ("Undescribed", "is described", "it has no description"),
        ("TooBright", "gives what it declares", "must stay in 0..1"),
        ("WrongType", "gives what it declares", "output 'STRING' is declared STRING and is 7"),
        ("InPlace", "leaves its inputs alone", "it changes its input 'image' in place"),
        ("Dice", "gives the same again", "equal inputs gave different outputs"),
        ("Stubborn", "stops when cancelled", "it went on after its job was cancelled"),
    ],
)
def test_each_fault_is_found_and_named(node: str, trial: str, message: str, report: dict[str, Any]) -> None:
    failed = outcomes(report, node, "failed")
    assert list(failed) == [trial]
    assert message in failed[trial]


@pytest.mark.parametrize("node", ["Good", "HonestDice", "MakeThing", "UseThing", "UseOther", "Choosy"])
def test_nodes_without_a_fault_do_not_fail(node: str, report: dict[str, Any]) -> None:
    assert outcomes(report, node, "failed") == {}
    assert "is described" in outcomes(report, node, "passed")


def test_a_socket_of_the_pack_is_filled_by_its_own_nodes(report: dict[str, Any]) -> None:
    assert "gives what it declares" in outcomes(report, "UseThing", "passed")


@pytest.mark.parametrize(
    ("node", "said"),
    [("UseOther", "no node of the pack gives OTHER"), ("Choosy", r"refuses the values made up for it (say please)")],
)
def test_what_could_not_be_tried_is_said_with_the_remedy(node: str, said: str, report: dict[str, Any]) -> None:
    message = outcomes(report, node, "skipped")["gives what it declares"]
    assert said in message
    assert "pytest_sample_inputs in tests/conftest.py" in message


def test_the_counts_are_those_of_the_tests(report: dict[str, Any]) -> None:
    assert report["failed"] == 6
    assert report["failed"] + report["passed"] + report["skipped"] == len(report["tests"])
    assert report["message"] == f"mixed: 6 of {6 + report['passed']} tests failed."


def test_a_pack_chooses_the_inputs_of_its_trials(tmp_path: Path) -> None:
    pack = write_pack(
        tmp_path,
        "mixed",
        PACK.replace("return [good, undescribed", "return [choosy]\n        return [good, undescribed"),
    )
    (pack / "tests").mkdir()
    (pack / "tests" / "conftest.py").write_text(
        "import pytest\n@pytest.hookimpl(optionalhook=True)\n"
        "def pytest_sample_inputs(node):\n    return {'text': 'please'}\n"
    )
    (pack / "tests" / "test_own.py").write_text("def test_own():\n    pass\n")
    report = CommandLine(tmp_path)("test", "mixed", "--json").json
    assert (report["failed"], report["passed"]) == (0, 7)
    assert CommandLine(tmp_path)("test", "mixed", "--own-only", "--json").json["passed"] == 1


def test_a_pack_that_does_not_load_fails_with_the_reason(tmp_path: Path) -> None:
    write_pack(tmp_path, "broken", "import no_such_module_at_all\n")
    ended = CommandLine(tmp_path)("test", "broken")
    assert ended.code == 12
    assert "error: broken: 1 of 1 tests failed." in ended.err


def test_a_folder_that_is_not_there_is_a_wrong_use(tmp_path: Path) -> None:
    assert CommandLine(tmp_path)("test", "nowhere").code == 2
