"""The pages in a browser: narrow and wide, light and dark, by keyboard, with nothing foreign running."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.browser.chromium import NoChromium, browsing
from tests.registry_server.web.shown import PAGES
from tests.support.registry import Registry, on_a_port

pytestmark = pytest.mark.e2e
_FOREIGN_PICTURE = "net::ERR_NAME_NOT_RESOLVED"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        with browsing() as opened:
            yield opened
    except NoChromium as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def address(site: Registry) -> Iterator[str]:
    with on_a_port(site) as found:
        yield found


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (380, "light")])
def test_every_page_fits_its_window_and_runs_nothing(browser: Any, address: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab, said = context.new_page(), []
    tab.on("dialog", lambda dialog: said.append(dialog.message) or dialog.dismiss())
    tab.on("console", lambda message: said.append(message.text))
    for path in PAGES:
        tab.goto(f"{address}{path}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, path
        assert tab.evaluate("document.styleSheets[0].cssRules.length") > 50, path
    context.close()
    assert [text for text in said if _FOREIGN_PICTURE not in text] == []


def test_a_pack_is_found_by_keyboard_alone(browser: Any, address: str) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(f"{address}/")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    tab.keyboard.type("colour")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/search?q=colour")
    tab.get_by_role("link", name="script").first.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/pack/colour-tools")
    assert tab.get_by_role("main").get_by_role("heading", level=1).count() == 1
    context.close()
