"""A registry inside the test's process, asked over ASGI, and on a real port where that matters."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.testclient import TestClient

from registry_server.accounts.identity import OPERATOR, Scope
from registry_server.accounts.service import create_publisher, create_token, create_user
from registry_server.app import create_app, create_parts
from registry_server.requests import Parts
from registry_server.settings import Settings
from tests.support.registry_packs import pack


class Clock:
    """A clock that the test sets; every look moves it by a millisecond, so that moments differ."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Registry:
    """A registry and ways to use it."""

    parts: Parts
    client: TestClient
    clock: Clock
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.parts.settings.data

    def publisher(self, publisher_id: str = "acme", *scopes: Scope) -> str:
        """A publisher, made where missing, and a token for it."""
        wanted = scopes or (Scope.PUBLISH,)
        key = f"{publisher_id} {wanted}"
        if key not in self.tokens:
            with self.parts.database.write() as session:
                if not any(name.split(" ")[0] == publisher_id for name in self.tokens):
                    create_publisher(session, OPERATOR, self.clock(), publisher_id, {"name": publisher_id.title()})
                made = create_token(session, OPERATOR, self.clock(), publisher_id=publisher_id, scopes=wanted)
            self.tokens[key] = made[0]
        return self.tokens[key]

    def user(self, user_id: str = "alice") -> str:
        """A user who may make publishers, and a token."""
        with self.parts.database.write() as session:
            create_user(session, OPERATOR, self.clock(), user_id, user_id.title(), "")
            return create_token(session, OPERATOR, self.clock(), user_id=user_id, scopes=[Scope.ACCOUNT])[0]

    def admin(self) -> dict[str, str]:
        """Headers of the operator."""
        if "admin" not in self.tokens:
            with self.parts.database.write() as session:
                self.tokens["admin"] = create_token(session, OPERATOR, self.clock(), scopes=[Scope.ADMIN])[0]
        return bearer(self.tokens["admin"])

    def upload(self, archive: bytes, token: str | None = None, **headers: str) -> httpx.Response:
        """Publish in one request."""
        given = bearer(token or self.publisher()) | {"Content-Type": "application/zip"} | headers
        return self.client.post("/api/v1/packs/upload", content=archive, headers=given)

    def publish(self, *arguments: Any, **fields: Any) -> dict[str, Any]:
        """Publish a small pack; what the registry says."""
        publisher = fields.get("publisher", "acme")
        answer = self.upload(pack(*arguments, **fields), self.publisher(publisher))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def announce(
        self, name: str = "probe-pack", version: str = "1.0.0", *, publisher: str = "acme", token: str | None = None
    ) -> httpx.Response:
        """Announce a version as comfy-cli does."""
        body = announcement(name, version, token if token is not None else self.publisher(publisher))
        return self.client.post(f"/publishers/{publisher}/nodes/{name}/versions", json=body)

    def put(self, address: str, archive: bytes) -> httpx.Response:
        """Send the archive of an announced version."""
        return self.client.put(address, content=archive, headers={"Content-Type": "application/zip"})


def announcement(name: str, version: str, token: str) -> dict[str, Any]:
    """The body comfy-cli sends."""
    return {
        "personal_access_token": token,
        "node": {
            "id": name,
            "description": "a pack",
            "icon": "",
            "name": "Probe Pack",
            "license": '{"text": "MIT"}',
            "repository": "https://example.com/probe-pack",
            "banner_url": "",
            "supported_os": [],
            "supported_accelerators": [],
            "supported_comfyui_version": "",
            "supported_comfyui_frontend_version": "",
        },
        "node_version": {
            "version": version,
            "dependencies": ["numpy>=1"],
            "supported_os": [],
            "supported_accelerators": [],
            "supported_comfyui_version": "",
            "supported_comfyui_frontend_version": "",
            "changelog": "my change",
        },
    }


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def registry(settings: Settings, **parts_given: Any) -> Iterator[Registry]:
    """A registry that is closed at the block's end."""
    clock = Clock()
    parts = create_parts(replace(settings, host_ranges={"numpy": ">=2", "torch": ">=2.7"}), clock=clock, **parts_given)
    with TestClient(create_app(parts, "http://testserver"), base_url="http://testserver") as client:
        yield Registry(parts, client, clock)


@contextmanager
def on_a_port(found: Registry) -> Iterator[str]:
    """The same registry on a real port of the loopback address."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(create_app(found.parts, address), log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    httpx.get(f"{address}/healthz", timeout=30)  # the socket listens already: this waits until the server answers
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
