"""Workflows, pictures and the record of jobs, as a user keeps and finds them in the official editor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.browser.editor import Editor
from tests.support.command_line import node, plain_picture

pytestmark = pytest.mark.e2e


def test_a_workflow_that_was_saved_is_there_again_after_a_reload(editor: Editor) -> None:
    editor.load(plain_picture(48), "mine")
    editor.page.keyboard.press("Control+s")
    editor.screenshot("saving")
    name = editor.page.get_by_role("dialog").get_by_role("textbox")
    name.fill(f"kept {editor.version}")
    name.press("Enter")
    editor.page.get_by_role("dialog").wait_for(state="detached")
    assert [entry["path"] for entry in editor.saved_workflows()] == [f"kept {editor.version}.json"]

    editor.open()
    editor.page.get_by_role("button", name=re.compile("Workflows")).first.click()
    editor.page.get_by_text(f"kept {editor.version}").first.click()
    editor.page.wait_for_function("app.graph.nodes.some((node) => node.type === 'EmptyImage')")
    editor.screenshot("reopened")
    assert editor.nodes() == {"1": "EmptyImage", "2": "SaveImage"}
    assert editor.node("1", "node.widgets.find((w) => w.name === 'width').value") == 48


def test_a_picture_from_the_users_disk_is_uploaded_and_used(editor: Editor, tmp_path: Path) -> None:
    picture = tmp_path / f"mine {editor.version}.png"
    Image.new("RGB", (80, 56), (255, 0, 0)).save(picture)
    editor.load(
        {
            "1": node("LoadImage", image="blue-star.png"),
            "2": node("ImageInvert", image=["1", 0]),
            "3": node("SaveImage", images=["2", 0], filename_prefix="inverted"),
        }
    )
    editor.wait_for_picture("1")
    editor.choose_file("1", "upload", picture)
    editor.wait_for_node("1", f"node.widgets.find((w) => w.name === 'image').value === '{picture.name}'")
    editor.wait_for_node("1", "node.imgs?.[0]?.naturalWidth === 80")
    editor.screenshot("uploaded")
    editor.run()
    _, width, height = editor.wait_for_picture("3")
    editor.screenshot("inverted")
    assert (width, height) == (80, 56)
    saved = next(iter((editor.server.base / "output").glob("inverted_*.png")))
    with Image.open(saved) as inverted:
        assert inverted.convert("RGB").getpixel((5, 5)) == (0, 255, 255)


def test_a_saved_picture_dropped_on_the_page_brings_its_workflow_back(editor: Editor) -> None:
    editor.load(plain_picture(72), "plain")
    editor.run()
    editor.wait_for_picture("2")
    (job,) = (job for job in editor.history().values() if job["prompt"][2]["1"]["inputs"].get("width") == 72)
    saved = editor.server.base / "output" / job["outputs"]["2"]["images"][0]["filename"]
    editor.open()
    editor.page.evaluate(
        """async (url) => {
            const file = new File([await (await fetch(url)).blob()], 'dropped.png', { type: 'image/png' })
            await app.handleFile(file)
        }""",
        f"/view?filename={saved.name}",
    )
    editor.page.wait_for_function("app.graph.nodes.some((node) => node.type === 'EmptyImage')")
    assert editor.node("1", "node.widgets.find((w) => w.name === 'width').value") == 72


def test_the_panel_of_jobs_shows_what_ran(editor: Editor) -> None:
    editor.load(plain_picture(64), "shown")
    editor.run()
    editor.wait_for_picture("2")
    editor.show_jobs()
    editor.page.wait_for_function(
        "() => [...document.images].some((shown) => shown.src.includes('grey_') && shown.naturalWidth === 64)"
    )
    editor.screenshot("jobs")
