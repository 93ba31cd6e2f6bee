"""Workflows run from the official editor, as a user does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser.editor import Editor
from tests.support.command_line import node, plain_picture

pytestmark = pytest.mark.e2e
EXAMPLES = Path(__file__).parents[3] / "examples"
CHECKPOINT, SAMPLER, SAVE = "1", "3", "9"


def shipped(name: str = "demo") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_the_shipped_workflow_shows_its_picture_in_the_node_that_saves_it(editor: Editor) -> None:
    editor.load(shipped(), "demo")
    editor.set_widget(SAMPLER, "steps", 8)
    editor.screenshot("loaded")
    editor.run()
    editor.wait_for_node(SAMPLER, "node.imgs?.[0]?.src.startsWith('blob:')")
    editor.screenshot("sampling")
    address, width, height = editor.wait_for_picture(SAVE)
    assert "/api/view?filename=demo_0" in address
    assert (width, height) == (128, 128)
    editor.screenshot("picture")
    (job,) = (entry for entry in editor.history().values() if SAVE in entry["outputs"])
    assert job["status"]["status_str"] == "success"


def test_a_long_job_ends_when_the_user_cancels_it(editor: Editor) -> None:
    prompt = shipped()
    prompt[SAMPLER]["inputs"]["steps"] = 5000
    editor.load(prompt, "long")
    before = set(editor.history())
    editor.run()
    editor.wait_for_node(SAMPLER, "node.progress > 0")
    editor.screenshot("long-job")
    editor.cancel()
    editor.wait_for_node(SAMPLER, "!node.progress")
    (ended,) = set(editor.history()) - before
    status = editor.history()[ended]["status"]
    assert status["messages"][-1][0] == "execution_interrupted"
    assert status["messages"][-1][1]["node_id"] == SAMPLER
    assert editor.server.ask("/queue") == {"queue_running": [], "queue_pending": []}
    editor.screenshot("cancelled")


def test_a_fault_is_shown_at_the_node_and_the_input_that_have_it(editor: Editor) -> None:
    prompt = shipped()
    prompt[CHECKPOINT]["inputs"]["ckpt_name"] = "gone.safetensors"
    del prompt[SAMPLER]["inputs"]["positive"]
    editor.expect("status of 400|PromptExecutionError")
    editor.load(prompt, "faulty")
    before = set(editor.history())
    editor.run()
    editor.wait_for_node(CHECKPOINT, "node.has_errors || app.lastNodeErrors?.['1']")
    editor.screenshot("faults")
    faults = editor.page.evaluate("app.lastNodeErrors")
    assert set(faults) == {CHECKPOINT, SAMPLER}
    assert faults[CHECKPOINT]["errors"][0]["extra_info"]["input_name"] == "ckpt_name"
    assert faults[SAMPLER]["errors"][0]["type"] == "required_input_missing"
    assert editor.node(SAMPLER, "node.inputs.filter((i) => i.hasErrors).map((i) => i.name)") == ["positive"]
    assert set(editor.history()) == before


def test_links_that_lead_round_in_a_circle_are_named(editor: Editor) -> None:
    prompt = {
        "1": node("ImageInvert", image=["3", 0]),
        "3": node("ImageInvert", image=["1", 0]),
        "2": node("SaveImage", images=["1", 0], filename_prefix="never"),
    }
    editor.expect("status of 400|PromptExecutionError")
    editor.load(prompt, "circle")
    editor.run()
    editor.page.get_by_text("links lead round in a circle: node").first.wait_for()
    editor.screenshot("circle")


def test_jobs_wait_in_the_order_they_were_sent_and_can_be_cleared(editor: Editor) -> None:
    prompt = shipped()
    prompt[SAMPLER]["inputs"]["steps"] = 5000
    editor.load(prompt, "waiting")
    editor.run()
    editor.wait_for_node(SAMPLER, "node.progress > 0")
    for _ in range(2):
        editor.run()
    editor.page.wait_for_function("async () => (await (await fetch('/queue')).json()).queue_pending.length === 2")
    editor.screenshot("queue")
    editor.command("Comfy.ClearPendingTasks")
    editor.page.wait_for_function("async () => (await (await fetch('/queue')).json()).queue_pending.length === 0")
    editor.cancel()
    editor.wait_for_node(SAMPLER, "!node.progress")


def test_a_picture_without_a_model_appears_at_once(editor: Editor) -> None:
    editor.load(plain_picture(96), "plain")
    editor.run()
    _, width, height = editor.wait_for_picture("2")
    assert (width, height) == (96, 96)
