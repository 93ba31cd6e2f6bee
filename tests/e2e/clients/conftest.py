"""One server for every client, and the clients' environments."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.clients.environments import NotInstalled, programs
from tests.support.command_line import SECONDS
from tests.support.serving_process import ServingProcess, serving_process

ROOT = Path(__file__).parents[3]
Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """The host with the shipped models."""
    base = tmp_path_factory.mktemp("base")
    with serving_process(base, "--models-dir", str(ROOT / "models"), "--safe-mode") as running:
        yield running


@pytest.fixture
def program(server: ServingProcess, tmp_path: Path) -> Program:
    """Runs a program of a client's environment in an empty folder, told where the server is."""

    def run(client: str, name: str, *arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
        try:
            command = [str(programs(client) / name), *map(str, arguments)]
        except NotInstalled as missing:
            pytest.skip(str(missing))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "COMFY_LOCAL_URL": server.url,
            "COMFY_CLI_NO_REMOTE_REFRESH": "1",
            "COMFY_NO_UPDATE_CHECK": "1",
            "DO_NOT_TRACK": "1",
            "NO_PROXY": "*",
        }
        return subprocess.run(
            command, cwd=tmp_path, env=environment, input=text, capture_output=True, text=True, timeout=SECONDS
        )

    return run
