"""Uploads over real connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from registry_server.settings import Settings
from tests.support.registry import Registry, on_a_port, registry
from tests.support.registry_packs import pack


@pytest.fixture
def small(settings: Settings) -> Iterator[tuple[Registry, str]]:
    """A registry that takes 64 KiB at most, and its address."""
    with registry(replace(settings, max_archive_bytes=65_536)) as server, on_a_port(server) as address:
        yield server, address


def send(address: str, token: str, headers: dict[str, str], body: bytes, *, ends: bool = False) -> bytes:
    """Send exactly these bytes and read what comes back; ``ends`` breaks off after them."""
    parts = urlsplit(address)
    lines = [f"POST /api/v1/packs/upload HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"]
    lines.append(f"Authorization: Bearer {token}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30) as connection:
        connection.sendall("".join([*lines, "\r\n"]).encode() + body)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


def left(folder: Path) -> list[Path]:
    return list(folder.rglob("*.zip"))


def test_an_upload_that_is_cut_off_leaves_nothing(small: tuple[Registry, str]) -> None:
    server, address = small
    archive = pack()
    token = server.publisher()
    send(address, token, {"Content-Length": str(len(archive))}, archive[:-10], ends=True)
    assert left(server.root) == []
    assert server.client.get("/nodes").json()["total"] == 0
    assert server.upload(archive, token).status_code == 201


def test_too_large_an_upload_is_refused_before_or_while_it_comes(small: tuple[Registry, str]) -> None:
    server, address = small
    token = server.publisher()
    announced = send(address, token, {"Content-Length": "70000"}, b"x" * 10)
    assert b" 413 " in announced.split(b"\r\n")[0]
    chunked = b"".join(b"4000\r\n" + b"x" * 0x4000 + b"\r\n" for _ in range(6)) + b"0\r\n\r\n"
    came = send(address, token, {"Transfer-Encoding": "chunked"}, chunked)
    assert b" 413 " in came.split(b"\r\n")[0]
    assert left(server.root) == []
