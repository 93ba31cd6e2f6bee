"""One browser and one server per version of the editor; every test has a page of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="Playwright is missing; get it with: pip install 'comfy-nodes[dev]'")

from playwright.sync_api import Browser

from tests.e2e.browser.chromium import NoChromium, browsing
from tests.e2e.browser.editor import Editor
from tests.e2e.browser.front_ends import VERSIONS, NotInstalled, front_end, no_front_end
from tests.support.serving_process import ServingProcess, serving_process

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with browsing() as opened:
            yield opened
    except NoChromium as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def server(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """The host with the shipped models, one version of the editor, and rough pictures while sampling."""
    try:
        folder = front_end(version)
    except NotInstalled as missing:
        pytest.skip(str(missing))
    base = tmp_path_factory.mktemp("base")
    shutil.copytree(ROOT / "examples" / "input", base / "input")
    shutil.copytree(ROOT / "examples", base / "examples")
    flags = ("--models-dir", str(ROOT / "models"), "--preview", "latent2rgb", "--safe-mode")
    with serving_process(base, *flags, environment={"PYTHONPATH": str(folder)}) as running:
        yield running


@pytest.fixture
def editor(browser: Browser, server: ServingProcess, version: str) -> Iterator[Editor]:
    """The editor, opened by a user who has been there before."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-GB")
    opened = Editor(context.new_page(), server, version)
    opened.open()
    yield opened
    context.close()
    assert opened.complaints == []


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """A server that finds no editor."""
    base, hidden = tmp_path_factory.mktemp("base"), no_front_end(tmp_path_factory.mktemp("hidden"))
    flags = ("--models-dir", str(ROOT / "models"), "--safe-mode")
    with serving_process(base, *flags, environment={"PYTHONPATH": str(hidden)}) as running:
        yield running
