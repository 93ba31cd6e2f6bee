from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import SECONDS, CommandLine

pytestmark = pytest.mark.e2e
READY = re.compile(r"To see the GUI go to: http://127\.0\.0\.1:(\d+)")


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    (tmp_path / "models").mkdir()
    return CommandLine(tmp_path)


def started(command: CommandLine, *flags: str) -> tuple[subprocess.Popen[str], int]:
    process = command.start("serve", "--port", "0", "--safe-mode", *flags)
    assert process.stdout is not None
    match = READY.match(process.stdout.readline())
    assert match, process.communicate()
    return process, int(match[1])


def asked(port: int, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_the_server_says_where_it_is_and_ends_in_order_at_a_signal(command: CommandLine) -> None:
    process, port = started(command)
    assert asked(port, "/queue") == {"queue_running": [], "queue_pending": []}
    assert "KSampler" in asked(port, "/object_info")
    assert asked(port, "/system_stats")["system"]["argv"][1] == "serve"
    process.send_signal(signal.SIGTERM)
    assert command.end(process).code == 0


def test_a_taken_port_is_said_so(command: CommandLine) -> None:
    process, port = started(command)
    second = command("serve", "--port", port, "--safe-mode")
    assert second.code == 2
    assert "--port" in second.err
    process.send_signal(signal.SIGINT)
    assert command.end(process).code == 0


def test_listening_for_strangers_must_be_meant(command: CommandLine) -> None:
    refused = command("serve", "--listen", "0.0.0.0", "--port", "0")
    assert refused.code == 2
    assert "--allow-public" in refused.err
    assert "--api-key-file" in refused.err
