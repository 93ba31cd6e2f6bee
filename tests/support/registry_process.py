"""``comfy-nodes registry`` as operators start it: processes of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.registry import bearer

START = "from registry_server.cli import app; app()"
SECONDS = 120


@dataclass(frozen=True)
class RegistryProcess:
    """A registry that answers.

    Attributes:
        url: where it listens.
    """

    data: Path
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def admin(self, *arguments: object) -> str:
        """Run ``comfy-nodes registry admin``; what it prints."""
        command = [sys.executable, "-c", START, "admin", *map(str, arguments), "--data", str(self.data)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def publisher(self, name: str) -> str:
        """A new publisher's token."""
        self.admin("publisher", "create", name, "--name", name.title())
        return self.admin("token", "create", "--publisher", name, "--scope", "publish:pack", "--expires", "1d")

    def upload(self, archive: bytes, token: str) -> None:
        """Publish in one request."""
        answer = httpx.post(f"{self.url}/api/v1/packs/upload", content=archive, headers=bearer(token), timeout=SECONDS)
        assert answer.status_code == 201, answer.text


@contextmanager
def registry_process(data: Path, *arguments: str, port: int = 0) -> Iterator[RegistryProcess]:
    """A registry on a port; it must end in order."""
    command = [sys.executable, "-c", START, "serve", "--data", str(data), "--port", str(port), *arguments]
    with (
        (data / "serve.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("registry ready: http://"), (data / "serve.log").read_text()
            yield RegistryProcess(data, line.split()[-1])
            process.terminate()
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
