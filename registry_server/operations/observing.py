"""Counts and logs every request. Addresses are logged without their query, which may hold a signature."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("registry_server.requests")

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One server's numbers.

    Args:
        serial: of the index's newest change.
    """

    def __init__(self, serial: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "registry_request_seconds", "How long requests took.", ["part"], registry=self._registry, buckets=SECONDS
        )
        self._answers = Counter("registry_answers", "Answers, by status.", ["part", "status"], registry=self._registry)
        Gauge("registry_serial", "Serial of the newest change.", registry=self._registry).set_function(serial)
        self._parts = {
            part: self._seconds.labels(part) for part in ("index", "archives", "uploads", "comfy", "api", "other")
        }
        self._statuses: dict[tuple[str, int], Counter] = {}

    def note(self, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        part = part_of(path)
        self._parts[part].observe(seconds)
        key = (part, status)
        if key not in self._statuses:
            self._statuses[key] = self._answers.labels(part, str(status))
        self._statuses[key].inc()

    def page(self) -> tuple[bytes, str]:
        """All numbers as text, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def part_of(path: str) -> str:
    """Which part of the registry answers at a path."""
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    if first in ("index", "archives", "uploads", "api"):
        return first
    if first == "downloads":
        return "archives"
    if first in ("nodes", "publishers", "comfy-nodes", "versions", "bulk", "users"):
        return "comfy"
    return "other"


class Observed:
    """Middleware around everything."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 500, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - begun
            self._metrics.note(scope["path"], status, seconds)
            level = logging.DEBUG if scope["path"].startswith("/index/") and status < 400 else logging.INFO
            if logger.isEnabledFor(level):
                told = {
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                    "client": scope["client"][0] if scope.get("client") else "",
                }
                logger.log(level, "%s %s %s", scope["method"], scope["path"], status, extra=told)


class OnlyText:
    """Refuses addresses that hold NUL, which databases take for the end of a text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400."""
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope.get("query_string", b"")):
            body = b'{"error":"BAD_REQUEST","message":"The address holds a NUL character.","details":[]}'
            headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await self._app(scope, receive, send)
