"""What a user meets who has never been here before, and what happens when the server goes away."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser.editor import READY, Editor
from tests.support.command_line import plain_picture
from tests.support.serving_process import ServingProcess

pytestmark = pytest.mark.e2e


def test_a_new_user_gets_the_editor_and_keeps_the_settings(
    browser: Browser, server: ServingProcess, version: str
) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-GB")
    editor = Editor(context.new_page(), server, version)
    editor.open(settings={})
    editor.page.wait_for_function("async () => (await (await fetch('/settings')).json())['Comfy.TutorialCompleted']")
    editor.screenshot("first-visit")
    known = set(server.ask("/object_info"))
    assert set(editor.page.evaluate("Object.keys(LiteGraph.registered_node_types)")) >= known
    editor.page.reload()
    editor.page.wait_for_function(READY)
    assert editor.page.get_by_text("No templates found").count() == 0
    context.close()
    assert editor.complaints == []


def test_the_gallery_offers_the_examples_and_they_run(editor: Editor) -> None:
    editor.command("Comfy.BrowseTemplates")
    editor.page.get_by_text("Image to image", exact=True).first.wait_for()
    editor.screenshot("gallery")
    editor.page.get_by_text("Image to image", exact=True).first.click()
    editor.page.wait_for_function("app.graph.nodes.some((node) => node.type === 'LoadImage')")
    editor.fit()
    saves = editor.page.evaluate("String(app.graph.nodes.find((node) => node.type === 'SaveImage').id)")
    editor.run()
    editor.wait_for_picture(saves)
    editor.screenshot("example")


def test_every_node_can_be_put_on_the_canvas(editor: Editor) -> None:
    editor.expect("status of 400")  # loaders ask for a preview of the file that is chosen, and there may be none
    failed = editor.page.evaluate(
        """(names) => names.filter((name) => {
            const node = LiteGraph.createNode(name)
            if (!node) return true
            app.graph.add(node)
            app.graph.remove(node)
            return false
        })""",
        sorted(editor.server.ask("/object_info")),
    )
    assert failed == []


def test_the_terminal_shows_the_servers_log(editor: Editor) -> None:
    editor.load(plain_picture(32), "logged")
    editor.command("Workspace.ToggleBottomPanelTab.logs-terminal")
    editor.page.locator(".xterm-rows, .terminal").first.wait_for()
    editor.screenshot("terminal")
