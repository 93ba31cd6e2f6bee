"""That the browser of these tests stays on this machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser.chromium import NoChromium, browsing
from tests.support.serving_process import ServingProcess

pytestmark = pytest.mark.e2e
LOOPBACK = re.compile(r"^(127\.|\[::1\]|::1)")
CONNECTS = ("TCP_CONNECT_ATTEMPT", "TCP_CONNECT", "UDP_SEND", "UDP_BYTES_SENT")


def test_the_browser_of_these_tests_connects_to_nothing_but_the_loopback(bare: ServingProcess, tmp_path: Path) -> None:
    log = tmp_path / "net.json"
    try:
        with browsing(log) as opened:
            page = opened.new_page()
            page.goto(bare.url)
            page.get_by_text("0 running").wait_for()
            page.evaluate("() => fetch('https://example.com/').catch(() => 'unreachable')")
    except NoChromium as missing:
        pytest.skip(str(missing))
    reached = connected_addresses(json.loads(log.read_text(encoding="utf-8")))
    assert f"127.0.0.1:{bare.port}" in reached
    assert {address for address in reached if not LOOPBACK.match(address)} == set()


def connected_addresses(log: dict[str, Any]) -> set[str]:
    """Addresses that a browser's own record says it connected or sent to."""
    kinds = {number for name, number in log["constants"]["logEventTypes"].items() if name in CONNECTS}
    told = [event.get("params", {}) for event in log["events"] if event["type"] in kinds]
    return {said["address"] for said in told if "address" in said}
