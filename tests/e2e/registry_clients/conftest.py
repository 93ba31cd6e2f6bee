"""Programs that others wrote for the Comfy Registry, unmodified, with a registry of ours in its place."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.clients.environments import NotInstalled, programs
from tests.e2e.registry_clients.workspace import write_workspace

SECONDS = 240


class Client:
    """Runs a program of a client's environment in one folder, with a home folder of its own."""

    def __init__(self, client: str, program: str, folder: Path) -> None:
        self._client, self._program = client, program
        self.folder = folder
        self.environment = {
            "HOME": str(folder / "home"),
            "DO_NOT_TRACK": "1",
            "COMFY_NO_UPDATE_CHECK": "1",
            "COLUMNS": "200",
        }
        (folder / "home").mkdir()

    def __call__(
        self, *arguments: object, inside: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """The exit code, and all that was printed."""
        try:
            folder = programs(self._client)
        except NotInstalled as missing:
            pytest.skip(str(missing))
        paths = {"PATH": f"{folder}:{os.environ['PATH']}"}
        ended = subprocess.run(
            [str(folder / self._program), *map(str, arguments)],
            cwd=inside or self.folder,
            env=paths | self.environment | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        return ended.returncode, ended.stdout


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the clients take for a ComfyUI."""
    return write_workspace(tmp_path_factory.mktemp("ComfyUI"))
