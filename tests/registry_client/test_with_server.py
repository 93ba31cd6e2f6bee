"""The client against the real registry server, each a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sdk.commands import ExitCode
from tests.support.registry_folder import pack_files, zip_bytes

pytestmark = pytest.mark.e2e
PROGRAM = [sys.executable, "-m", "host.cli"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server that has just started on an empty folder."""
    line = [*PROGRAM, "registry", "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1", "--port", "0"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        ready = re.search(r"http://\S+", process.stdout.readline())
        assert ready, (tmp_path / "log").read_text()
        yield ready.group().rstrip("/")
        process.terminate()


@pytest.fixture
def token(server: str, tmp_path: Path) -> str:
    data = ["--data", str(tmp_path / "data")]
    assert run("registry", "admin", "publisher", "create", "acme", *data).returncode == 0
    made = run("registry", "admin", "token", "create", "--publisher", "acme", "--scope", "publish:pack", *data)
    found = re.search(r"cnr_\S+", made.stdout)
    assert found, made.stderr
    return found.group()


def publish(server: str, token: str, version: str, nodes: list[str]) -> None:
    files = pack_files("served-tint", version, nodes)
    files["pyproject.toml"] += '[tool.comfy]\nPublisherId = "acme"\n'
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/zip"}
    answer = httpx.post(f"{server}/api/v1/packs/upload", content=zip_bytes(files), headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "active", answer.text


def test_what_is_published_is_installed_updated_rolled_back_and_removed(
    server: str, token: str, tmp_path: Path
) -> None:
    base = ["--base-dir", str(tmp_path / "base")]
    places = [*base, "--registry", server, "--cache-dir", str(tmp_path / "cache")]

    def versions() -> list[str]:
        return [row["version"] for row in json.loads(run("list", "--json", *base).stdout)]

    publish(server, token, "1.0.0", ["ServedTint"])
    done = run("install", "served-tint", *places)
    assert done.returncode == 0, done.stderr
    publish(server, token, "1.1.0", ["ServedTint", "ServedGlow"])
    assert versions() == ["1.0.0"]
    (row,) = json.loads(run("outdated", "--json", *places).stdout)
    assert row["newest usable"] == "1.1.0"
    assert run("update", *places).returncode == 0
    assert versions() == ["1.1.0"]
    assert "ServedGlow" in json.loads(run("nodes", "--json", "--filter", "ServedGlow", *base).stdout)[0]["id"]
    assert run("rollback", *base).returncode == 0
    assert versions() == ["1.0.0"]
    assert [row["pack"] for row in json.loads(run("search", "served", "--json", *places).stdout)] == ["served-tint"]
    assert run("install", "nothing-like-it", *places).returncode == ExitCode.NOT_FOUND
    assert run("uninstall", "served-tint", *base).returncode == 0
    assert versions() == []
