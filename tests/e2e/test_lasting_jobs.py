"""Jobs outlive a server that is killed, and two servers never work on the same ones."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import SECONDS, CommandLine, node

pytestmark = pytest.mark.e2e
READY = re.compile(r"To see the GUI go to: http://127\.0\.0\.1:(\d+)")

PACK = '''
import pathlib, time

class Waits:
    """Runs until a file is there."""
    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "test", "go", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"file": ("STRING", {})}}

    def go(self, file):
        pathlib.Path(file + ".started").touch()
        while not pathlib.Path(file).exists():
            time.sleep(0.01)
        return {"ui": {"text": [file]}}

NODE_CLASS_MAPPINGS = {"Waits": Waits}
'''


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    (tmp_path / "models").mkdir()
    (tmp_path / "packs" / "waits").mkdir(parents=True)
    (tmp_path / "packs" / "waits" / "__init__.py").write_text(PACK)
    return CommandLine(tmp_path)


@pytest.fixture
def start(command: CommandLine) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Starts a server; gives its process and port."""
    started: list[subprocess.Popen[str]] = []

    def begin(*flags: str) -> tuple[subprocess.Popen[str], int]:
        flags = ("--port", "0", "--base-dir", str(command.base), "--pack-dir", "packs", *flags)
        started.append(command.start("serve", *flags))
        output = started[-1].stdout
        assert output is not None
        match = READY.match(output.readline())
        assert match, started[-1].communicate()
        return started[-1], int(match[1])

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def asked(port: int, path: str, body: Any = None, method: str = "") -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, content)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.01)


def queued(port: int, base: Path, name: str) -> str:
    prompt = {"1": node("Waits", file=str(base / name))}
    job_id: str = asked(port, "/prompt", {"prompt": prompt, "prompt_id": name})["prompt_id"]
    return job_id


def state(port: int, job_id: str) -> str:
    found: str = asked(port, f"/api/jobs/{job_id}")["status"]
    return found


def test_a_kill_interrupts_the_running_job_and_the_waiting_ones_run_after_a_restart(
    command: CommandLine, start: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    process, port = start()
    for name in ("running", "second", "third"):
        queued(port, command.base, name)
    until((command.base / "running.started").exists)
    assert asked(port, "/queue")["queue_running"][0][1] == "running"
    process.kill()
    process.communicate()
    for name in ("second", "third"):
        (command.base / name).touch()
    _, port = start()
    until(lambda: state(port, "third") == "completed")
    assert state(port, "second") == "completed"
    lost = asked(port, "/api/jobs/running")
    assert lost["status"] == "failed"
    assert "The host ended while the job ran" in lost["execution_error"]["exception_message"]
    (command.base / "running").touch()
    assert asked(port, "/api/jobs/running/requeue", method="POST")["status"] in ("pending", "in_progress", "completed")
    until(lambda: state(port, "running") == "completed")
    assert asked(port, "/history/running")["running"]["outputs"]["1"]["text"] == [str(command.base / "running")]


def test_a_second_server_on_the_same_folder_is_refused_with_the_reason(
    command: CommandLine, start: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    _, port = start()
    second = command("serve", "--port", "0", "--base-dir", str(command.base), "--safe-mode")
    assert second.code == 1
    assert "another process works on its jobs" in second.err
    assert asked(port, "/queue") == {"queue_running": [], "queue_pending": []}


def test_interrupted_jobs_run_again_by_themselves_where_that_is_set(
    command: CommandLine, start: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    (command.base / "comfy-nodes.toml").write_text("requeue = true\n")
    process, port = start()
    queued(port, command.base, "again")
    until((command.base / "again.started").exists)
    process.kill()
    process.communicate()
    (command.base / "again").touch()
    _, port = start()
    until(lambda: state(port, "again") == "completed")
    assert asked(port, "/api/jobs/again")["attempts"] == 2
