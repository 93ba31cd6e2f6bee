"""A chat endpoint on a port of this machine that says what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ChatServer:
    """Answers are taken from ``script`` first: ``(status, headers, body)``; then each prompt is praised.

    Attributes:
        requests: the bodies that came in.
        keys: the ``Authorization`` headers that came in.
    """

    def __init__(self) -> None:
        self.script: list[tuple[int, Mapping[str, str], Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, body: dict[str, Any]) -> tuple[int, Mapping[str, str], Any]:
        if self.script:
            return self.script.pop(0)
        said = f"{body['messages'][1]['content']}, beautifully lit"
        choices = [{"message": {"content": f" {said} {number} "}} for number in range(body["n"])]
        return 200, {}, {"model": "praise-1", "choices": choices, "usage": USAGE}

    def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler below
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append(body)
                server.keys.append(self.headers["Authorization"])
                status, headers, answer = server._answer(body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status if self.path == "/v1/chat/completions" else 404)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None:
                """Nothing on the terminal."""

        return Handler


USAGE = {"prompt_tokens": 40, "completion_tokens": 10}
