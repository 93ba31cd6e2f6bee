from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.app import Host
from tests.support.live_server import LiveServer, make_host, serving

PACK = Path(__file__).parents[2] / "support" / "packs" / "g2_testpack"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host with the built-in nodes, those of the test pack (none of which needs torch), and folders of its own."""
    base = tmp_path_factory.mktemp("base")
    return make_host(base, safe_mode=False, packs=("g2_testpack",), pack_dirs=(PACK,))


@pytest.fixture(scope="module")
def server(host: Host) -> Iterator[LiveServer]:
    """A server for all tests of a module."""
    with serving(host) as running:
        yield running
