"""The official editor in a page: what a user does there, and what they then see."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, Response
from playwright.sync_api import TimeoutError as NoAnswerInTime

from tests.support.serving_process import ServingProcess

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
SECONDS = 300
READY = "() => window.app?.graph && window.app?.canvas && Object.keys(LiteGraph.registered_node_types).length > 100"
NODE = "(id) => app.graph.nodes.find((node) => String(node.id) === id)"
STANDS_STILL = """async () => {
    const sizes = () => app.graph.nodes.map((node) => [...node.pos, ...node.size]).flat()
    const view = () => [...app.canvas.ds.offset, app.canvas.ds.scale, ...sizes()].join()
    const before = view()
    await new Promise((done) => setTimeout(done, 100))
    return view() === before
}"""
BOOT_SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.InstalledVersion": "1.27.10", "Comfy.Workflow.Persist": False}
"""What a user has who has been here before: no gallery of templates opens, and no earlier workflow."""

EXPECTED_NOISE = re.compile(
    r"status of 404|ERR_NAME_NOT_RESOLVED"  # files that may be missing, and Comfy's own servers
    r"|Error fetching releases|Failed to fetch"
    r"|^Cannot read properties of undefined \(reading 'id'\)$"  # 1.27 stores a setting before it is known
)


class Editor:
    """One page with the editor.

    Attributes:
        complaints: errors on the page's console and failed requests that nobody expects.
    """

    def __init__(self, page: Page, server: ServingProcess, version: str) -> None:
        self.page, self.server, self.version = page, server, version
        self.complaints: list[str] = []
        self._expected = EXPECTED_NOISE
        page.set_default_timeout(SECONDS * 1000)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("response", self._answered)

    def open(self, settings: Mapping[str, Any] = BOOT_SETTINGS) -> None:
        """Load the editor and wait until its nodes are there."""
        if settings:
            self.server.ask("/settings", dict(settings))
        self.page.goto(self.server.url)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        self.page.wait_for_function(READY)
        self.page.get_by_test_id("queue-button").first.wait_for()

    def load(self, prompt: Mapping[str, Any], name: str = "workflow") -> None:
        """Open a workflow in API format, all of it in view."""
        self.page.evaluate("([prompt, name]) => app.loadApiJson(prompt, name)", [dict(prompt), name])
        self.fit()

    def fit(self) -> None:
        self.command("Comfy.Canvas.FitView")

    def command(self, name: str) -> None:
        self.page.evaluate("(name) => app.extensionManager.command.execute(name)", name)

    def run(self) -> None:
        """Press the Run button."""
        self.page.get_by_test_id("queue-button").first.click()

    def cancel(self) -> None:
        """Press the button that ends the running job."""
        self.page.get_by_role("button", name=re.compile("Cancel current run|Interrupt")).first.click()

    def node(self, node_id: str, expression: str) -> Any:
        """A JavaScript expression about a node, named ``node``."""
        return self.page.evaluate(f"(id) => {{ const node = ({NODE})(id); return {expression} }}", node_id)

    def wait_for_node(self, node_id: str, expression: str) -> None:
        """Wait until a JavaScript expression about a node, named ``node``, is true."""
        look = f"(id) => {{ const node = ({NODE})(id); app.canvas.setDirty(true, true); return {expression} }}"
        self.page.wait_for_function(look, arg=node_id)

    def wait_for_picture(self, node_id: str) -> tuple[str, int, int]:
        """Wait until a node shows a picture: its address and its size."""
        self.wait_for_node(node_id, "node.imgs?.[0]?.complete && node.imgs[0].naturalWidth > 0")
        address, width, height = self.node(
            node_id, "[node.imgs[0].src, node.imgs[0].naturalWidth, node.imgs[0].naturalHeight]"
        )
        return address, width, height

    def nodes(self) -> dict[str, str]:
        """Kinds of the nodes in the graph by id."""
        return {str(key): kind for key, kind in self.page.evaluate("app.graph.nodes.map((n) => [n.id, n.type])")}

    def set_widget(self, node_id: str, name: str, value: Any) -> None:
        self.page.evaluate(
            f"([id, name, value]) => {{ ({NODE})(id).widgets.find((w) => w.name === name).value = value }}",
            [node_id, name, value],
        )

    def click_widget(self, node_id: str, name: str) -> None:
        """Click on a widget that is drawn on the canvas, once the view stands still."""
        self.page.wait_for_function(STANDS_STILL)
        place: Sequence[float] = self.page.evaluate(
            f"""([id, name]) => {{
                const node = ({NODE})(id), widget = node.widgets.find((w) => w.name === name)
                const x = node.pos[0] + node.size[0] / 2, y = node.pos[1] + (widget.y ?? widget.last_y) + 10
                const box = app.canvas.canvas.getBoundingClientRect(), ds = app.canvas.ds
                return [box.left + (x + ds.offset[0]) * ds.scale, box.top + (y + ds.offset[1]) * ds.scale]
            }}""",
            [node_id, name],
        )
        self.page.mouse.click(*place)

    def choose_file(self, node_id: str, name: str, file: Path) -> None:
        """Click on a widget that asks for a file, and give it one.

        A node grows when its picture arrives, so a click may miss; a person then clicks again, and so does this.
        """
        for patience in (5_000, 5_000, 10_000, 20_000, 60_000):
            with suppress(NoAnswerInTime):
                with self.page.expect_file_chooser(timeout=patience) as chooser:
                    self.click_widget(node_id, name)
                chooser.value.set_files(file)
                return
        raise AssertionError(f"the widget {name!r} of node {node_id} asks for no file")

    def screenshot(self, name: str) -> Path:
        """Keep what is to be seen now, below ``tests/e2e/artifacts``."""
        path = ARTIFACTS / f"{name}-{self.version}.png"
        self.page.screenshot(path=path)
        return path

    def expect(self, pattern: str) -> None:
        """Errors that match are what this test is about, and no complaints."""
        self._expected = re.compile(f"{self._expected.pattern}|{pattern}")

    def history(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.ask("/history")
        return found

    def show_jobs(self) -> None:
        """Open the panel of the jobs that wait, run and ran."""
        toggle = self.page.get_by_test_id("queue-overlay-toggle")
        if toggle.count():
            toggle.click()
            return
        self.page.get_by_role("button", name=re.compile("^Queue")).first.click()

    def saved_workflows(self) -> list[dict[str, Any]]:
        """What the user has saved, as the server lists it."""
        found: list[dict[str, Any]] = self.server.ask("/userdata?dir=workflows&recurse=true&full_info=true")
        return found

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complain(message.text)

    def _complain(self, text: str) -> None:
        if not self._expected.search(text):
            self.complaints.append(text)

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.request.method} {response.url}")
