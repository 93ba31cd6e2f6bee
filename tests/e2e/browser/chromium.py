"""Debian's Chromium under Playwright, kept off every network but the loopback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
OFFLINE = (
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--proxy-server=direct://",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-features=OptimizationHints,MediaRouter,AutofillServerCommunication",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
)
"""Every name but the loopback's is unknown to this browser; the rest keeps it from asking at all."""


class NoChromium(Exception):
    """There is no Chromium on this machine; says how to get it."""

    def __str__(self) -> str:
        return "Chromium is missing; get it with: apt-get install chromium"


def chromium() -> Path:
    """The browser's program.

    Raises:
        NoChromium: there is none.
    """
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise NoChromium


@contextmanager
def browsing(net_log: Path | None = None) -> Iterator[Browser]:
    """A browser; ``net_log`` is where it writes down everything that it does on a network."""
    flags = [*OFFLINE, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    flags += [f"--log-net-log={net_log}"] if net_log else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield browser
        browser.close()
