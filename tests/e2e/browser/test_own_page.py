"""The host's own page, where no editor is installed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser.editor import ARTIFACTS, SECONDS
from tests.support.command_line import plain_picture, text_to_image
from tests.support.serving_process import ServingProcess

pytestmark = pytest.mark.e2e


def test_the_page_shows_the_queue_and_the_last_pictures_and_how_to_get_the_editor(
    browser: Browser, bare: ServingProcess
) -> None:
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    page.set_default_timeout(SECONDS * 1000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(bare.url)
    assert "pip install" in page.inner_text("body")
    page.get_by_text("0 running, 0 waiting").wait_for()
    page.screenshot(path=ARTIFACTS / "own-page-empty.png")
    long = text_to_image(steps=5000)
    long["4"]["inputs"]["ckpt_name"] = "tiny-shapes.safetensors"
    bare.ask("/prompt", {"prompt": plain_picture(120)})
    bare.ask("/prompt", {"prompt": long})
    bare.ask("/prompt", {"prompt": long})
    page.get_by_text("1 running, 1 waiting").wait_for()
    page.wait_for_function("() => document.querySelector('#outputs img')?.naturalWidth === 120")
    page.screenshot(path=ARTIFACTS / "own-page.png")
    bare.ask("/queue", {"clear": True})
    bare.ask("/interrupt", {})
    page.get_by_text("0 running, 0 waiting").wait_for()
    page.get_by_role("link", name="Every route").click()
    page.get_by_text("/prompt").first.wait_for()
    page.screenshot(path=ARTIFACTS / "routes-page.png")
    page.close()
    assert complaints == []
