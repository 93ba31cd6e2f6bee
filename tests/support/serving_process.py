"""``comfy-nodes serve`` as users start it: a process of its own on a free port."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command_line import SECONDS, CommandLine

READY = re.compile(r"To see the GUI go to: http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class ServingProcess:
    """A server that answers."""

    port: int
    base: Path
    log: Path
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: Any = None) -> Any:
        """An answer's JSON; None if it is empty. With a body it is posted."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
            answer = connection.getresponse().read()
            return json.loads(answer) if answer else None
        finally:
            connection.close()


@contextmanager
def serving_process(base: Path, *flags: str, environment: Mapping[str, str] | None = None) -> Iterator[ServingProcess]:
    """A server with a base folder; at the end it is asked to stop, and must do so in order."""
    command = CommandLine(base)
    command.environment.update(environment or {})
    with tempfile.NamedTemporaryFile("w+", dir=base, prefix="serve-", suffix=".log", delete=False) as errors:
        process = command.start("serve", "--base-dir", base, "--port", "0", "--device", "cpu", *flags, errors=errors)
        try:
            yield ServingProcess(_port(process, Path(errors.name)), base, Path(errors.name), process)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=SECONDS)
            assert process.returncode == 0, Path(errors.name).read_text(encoding="utf-8")
        finally:
            process.kill()
            process.communicate()


def _port(process: subprocess.Popen[str], log: Path) -> int:
    assert process.stdout is not None
    said = READY.match(process.stdout.readline())
    assert said, log.read_text(encoding="utf-8")
    return int(said[1])
