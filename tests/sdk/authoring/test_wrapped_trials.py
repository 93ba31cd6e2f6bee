"""`comfy-nodes test` tries out the nodes of a ComfyUI pack, too, and asks no more of them than ComfyUI does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdk.authoring.new_command import new
from tests.support.command_line import CommandLine

NODES = """
import random

import comfy.utils


class Copy:
    CATEGORY = "image"
    FUNCTION = "go"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "mode": (["a", "b"],), "times": ("INT", {"default": 2})}}

    def go(self, image, mode, times):
        bar = comfy.utils.ProgressBar(times)
        for _ in range(times):
            bar.update(1)
        return (image.clone(),)


class InPlace(Copy):
    def go(self, image, mode, times):
        return (image.mul_(0.5),)


class Dice(Copy):
    RETURN_TYPES = ("FLOAT",)

    def go(self, image, mode, times):
        return (random.random(),)


class HonestDice(Dice):
    @classmethod
    def IS_CHANGED(cls, **inputs):
        return float("nan")


class Picky(Copy):
    def go(self, image, mode, times):
        raise ValueError("the image is too small")


class UsesModel(Copy):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}


NODE_CLASS_MAPPINGS = {kind.__name__: kind for kind in (Copy, InPlace, Dice, HonestDice, Picky, UsesModel)}
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("wrapped")
    (folder / "ComfyUI-Mixed").mkdir()
    (folder / "ComfyUI-Mixed" / "__init__.py").write_text(NODES)
    new("mixed", folder=folder / "mixed", from_comfyui=folder / "ComfyUI-Mixed")
    ended = CommandLine(folder)("test", "mixed", "--json")
    assert ended.code == 12
    return ended.json["error"]


def outcomes(report: dict[str, Any], node: str, outcome: str) -> dict[str, str]:
    prefix = f"::trial: {node} "
    found = [test for test in report["tests"] if test["test"].startswith(prefix) and test["outcome"] == outcome]
    return {test["test"].removeprefix(prefix): test["message"] for test in found}


def test_every_trial_that_has_something_to_look_at_is_done(report: dict[str, Any]) -> None:
    assert set(outcomes(report, "Copy", "passed")) == {
        "gives what it declares",
        "leaves its inputs alone",
        "gives the same again",
        "works on lists",
        "stops when cancelled",
    }
    assert "asks for no tooltips" in outcomes(report, "Copy", "skipped")["is described"]


@pytest.mark.parametrize(
    ("node", "trial", "message"),
    [
        ("InPlace", "leaves its inputs alone", "it changes its input 'image' in place"),
        ("Dice", "gives the same again", "take a seed as an input, or define IS_CHANGED"),
    ],
)
def test_faults_are_found_and_named(node: str, trial: str, message: str, report: dict[str, Any]) -> None:
    failed = outcomes(report, node, "failed")
    assert list(failed) == [trial]
    assert message in failed[trial]


@pytest.mark.parametrize(
    ("node", "trial", "message"),
    [
        ("HonestDice", "gives the same again", "does not promise it"),
        ("Picky", "gives what it declares", "refuses the values made up for it (the image is too small)"),
        ("UsesModel", "gives what it declares", "no node of the pack gives MODEL"),
    ],
)
def test_what_says_nothing_is_skipped_with_the_reason(
    node: str, trial: str, message: str, report: dict[str, Any]
) -> None:
    assert message in outcomes(report, node, "skipped")[trial]
    assert outcomes(report, node, "failed") == {}


def test_the_packs_own_test_runs_although_only_a_host_can_import_the_pack(report: dict[str, Any]) -> None:
    assert {"test": "tests/test_pack.py::test_no_node_is_lost", "outcome": "passed", "message": ""} in report["tests"]


def test_a_pack_that_does_not_load_fails_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "ComfyUI-Gone").mkdir()
    (tmp_path / "ComfyUI-Gone" / "__init__.py").write_text(
        "import no_such_module_at_all\nNODE_CLASS_MAPPINGS = {'A': int}\n"
    )
    new("gone", folder=tmp_path / "gone", from_comfyui=tmp_path / "ComfyUI-Gone")
    error = CommandLine(tmp_path)("test", "gone", "--json").json["error"]
    (failed,) = (test for test in error["tests"] if test["test"] == "::trial: the pack loads")
    assert "gone/__init__.py:1: in <module>" in failed["message"]
    assert "no_such_module_at_all" in failed["message"]
