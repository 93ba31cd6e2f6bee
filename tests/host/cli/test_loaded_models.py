"""``comfy-nodes models --loaded`` against a server of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from sdk.commands import ExitCode
from tests.host.cli.conftest import Command

HOLDING = {
    "key": "k", "part": "denoiser", "family": "sd1", "source": "/m/a.safetensors", "device": "cuda:0",
    "bytes": 3 * 2**20, "mapped_bytes": 0, "streamed_bytes": 2**20, "patched_layers": 2, "borrowed": True,
    "reload_seconds": 0.5,
}  # fmt: skip


@pytest.fixture
def answers() -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of a server, and the answers it gives by path."""
    given: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            denied = given.get("key") not in (None, self.headers["X-API-Key"])
            self.send_response(401 if denied else 200 if self.path in given else 404)
            self.end_headers()
            self.wfile.write(json.dumps(given.get(self.path)).encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", given
        server.shutdown()
        thread.join()


def test_it_shows_who_holds_what(command: Command, answers: tuple[str, dict[str, Any]]) -> None:
    server, given = answers
    given["/models/loaded"] = [HOLDING]
    ended = command("models", "--loaded", "--server", server)
    assert ended.code == 0
    for fact in ("sd1 denoiser", "cuda:0", "in use, 2 layers patched", "/m/a.safetensors"):
        assert fact in ended.out
    assert json.loads(command("models", "--loaded", "--server", server, "--json").out) == [HOLDING]


def test_a_server_may_want_a_key(
    command: Command, answers: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, given = answers
    given |= {"/models/loaded": [HOLDING], "key": "secret"}
    ended = command("models", "--loaded", "--server", server)
    assert (ended.code, "--api-key" in ended.err) == (ExitCode.UNREACHABLE, True)
    assert command("models", "--loaded", "--server", server, "--api-key", "secret").code == 0
    monkeypatch.setenv("COMFY_NODES_API_KEY", "secret")
    assert command("models", "--loaded", "--server", server).code == 0


def test_an_idle_server_says_so(command: Command, answers: tuple[str, dict[str, Any]]) -> None:
    server, given = answers
    given["/models/loaded"] = []
    assert "has no model in memory" in command("models", "--loaded", "--server", server).out


@pytest.mark.parametrize("answer", [{"a": 1}, [1], [{"part": "vae"}], None])
def test_another_kind_of_server_is_no_answer(
    command: Command, answers: tuple[str, dict[str, Any]], answer: object
) -> None:
    server, given = answers
    given["/models/loaded"] = answer
    ended = command("models", "--loaded", "--server", server)
    assert (ended.code, "did not say" in ended.err) == (ExitCode.UNREACHABLE, True)


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "nonsense"])
def test_no_server_is_an_error_that_says_what_to_do(command: Command, server: str) -> None:
    ended = command("models", "--loaded", "--server", server)
    assert ended.code == ExitCode.UNREACHABLE
    assert "comfy-nodes serve" in ended.err
