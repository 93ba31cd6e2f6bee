"""The real server in a thread of the test, on a free port of the loopback address."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from host.api.app import create_app
from host.api.job_service import JobService
from host.api.server_settings import ServerSettings
from host.app import Host, create_host
from host.settings import load_settings

SECONDS = 300


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def header_names(self) -> set[str]:
        return {name.lower() for name in self.headers}


@dataclass(frozen=True)
class LiveServer:
    """A running server and its host."""

    host: Host
    port: int
    jobs: JobService

    @property
    def base(self) -> Path:
        return self.host.settings.base_dir

    def request(
        self, method: str, path: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send exactly this path; header values of the answer are read as UTF-8."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, dict(headers or {}))
            answer = connection.getresponse()
            said = {name: value.encode("latin-1").decode("utf-8") for name, value in answer.getheaders()}
            return Answer(answer.status, said, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, value: Any = None, **headers: str) -> Answer:
        """Post a JSON value, or nothing; without a content type, as scripts do."""
        body = None if value is None else json.dumps(value)
        return self.request("POST", path, body, {name.replace("_", "-"): text for name, text in headers.items()})


def make_host(base: Path, **flags: Any) -> Host:
    """A host with the built-in nodes in a folder of its own."""
    (base / "models").mkdir(parents=True, exist_ok=True)
    return create_host(load_settings({"base_dir": base, "safe_mode": True, "device": "cpu", **flags}, {}, base))


@contextmanager
def serving(host: Host, **settings: Any) -> Iterator[LiveServer]:
    """A server for this host, stopped at the end of the block."""
    server = start(host, **settings)
    try:
        yield server[0]
    finally:
        stop(*server[1:])


def start(host: Host, **settings: Any) -> tuple[LiveServer, uvicorn.Server, threading.Thread]:
    """A server that runs until ``stop``."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(host, ServerSettings(**settings))
    config = uvicorn.Config(app, log_config=None, lifespan="on", ws="websockets-sansio", ws_per_message_deflate=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    port = listening.getsockname()[1]
    server = LiveServer(host, port, app.state.jobs)
    server.get("/healthz")  # the socket listens already: this waits until the server answers
    return server, running, thread


def stop(running: uvicorn.Server, thread: threading.Thread) -> None:
    running.should_exit = True
    thread.join(SECONDS)
    assert not thread.is_alive()
