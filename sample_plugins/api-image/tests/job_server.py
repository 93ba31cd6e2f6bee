"""An image API on a port of this machine; a job passes through the states that a test writes down."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image  # noqa: TID253 - the server makes pictures


def picture(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


class JobServer:
    """Each ``GET`` of a job gives the next of ``states``, the last one again and again.

    Attributes:
        orders: what was ordered.
        seen: method and path of every request.
        file: what the picture's address gives.
    """

    def __init__(self) -> None:
        self.reset()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def reset(self) -> None:
        self.states: list[dict[str, Any]] = [
            {"state": "queued"},
            {"state": "running", "progress": 0.25},
            {"state": "running", "progress": 0.75},
            {"state": "done", "image": "files/1.png"},
        ]
        self.orders: list[dict[str, Any]] = []
        self.seen: list[str] = []
        self.keys: set[str | None] = set()
        self.file: bytes | None = None
        self.refusal: tuple[int, Any] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.seen.append(f"{method} {path}")
        if self.refusal:
            return self.refusal
        if method == "POST":
            self.orders.append(body)
            return 202, {"id": "7", "poll_after": 0}
        if method == "DELETE":
            return 200, {}
        if path.startswith("/v1/files/"):
            order = self.orders[-1]
            return (404, {}) if self.file == b"" else (200, self.file or picture(order["width"], order["height"], RED))
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return 200, {"poll_after": 0, **state}

    def _handler(server: JobServer) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler below
        class Handler(BaseHTTPRequestHandler):
            def do(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                server.keys.add(self.headers["Authorization"])
                status, answer = server.answer(self.command, self.path, json.loads(body or b"{}"))
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = do  # noqa: N815 - as the class wants them

            def log_message(self, *arguments: object) -> None:
                """Nothing on the terminal."""

        return Handler


RED = (255, 0, 0)
