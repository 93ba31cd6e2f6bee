"""comfy-cli 1.23 publishes to a registry of ours and installs from it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.registry_clients.conftest import Client
from tests.support.registry import announcement
from tests.support.registry_packs import pack
from tests.support.registry_process import RegistryProcess, is_free, registry_process

pytestmark = pytest.mark.e2e
PORT = 8080  # comfy-cli has it built in


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """A registry where comfy-cli looks for one in development."""
    if not is_free(PORT):
        pytest.skip(f"port {PORT} is in use, and comfy-cli knows no other: end the program that listens there")
    with registry_process(tmp_path_factory.mktemp("data"), "--writes-per-minute", "0", port=PORT) as found:
        yield found


@pytest.fixture(scope="module")
def token(registry: RegistryProcess) -> str:
    return registry.publisher("acme")


@pytest.fixture(scope="module")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Client:
    made = Client("comfy-cli", "comfy", tmp_path_factory.mktemp("comfy-cli"))
    made.environment["ENVIRONMENT"] = "dev"
    return made


@pytest.fixture(scope="module")
def published(registry: RegistryProcess, token: str) -> str:
    """A pack with a version that is newest, an older one, a yanked one, and one that was announced, never uploaded."""
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        registry.upload(pack("shared-pack", version, nodes=["Shared"], dependencies=["numpy>=1"]), token)
    yanked = httpx.post(
        f"{registry.url}/api/v1/packs/shared-pack/versions/1.2.0/yank",
        json={"reason": "broken"},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert yanked.status_code == 200
    announced = httpx.post(
        f"{registry.url}/publishers/acme/nodes/shared-pack/versions", json=announcement("shared-pack", "9.0.0", token)
    )
    assert announced.status_code == 201
    return "shared-pack"


def source(folder: Path, version: str, name: str = "probe-pack") -> Path:
    """A pack's folder as its author has it."""
    target = folder / f"{name}-{version}"
    archive = pack(name, version, nodes=[f"Node of {name}"], dependencies=["numpy>=1"])
    zipfile.ZipFile(io.BytesIO(archive)).extractall(target)
    return target


def envelope(printed: str) -> dict[str, Any]:
    found = [json.loads(line) for line in printed.splitlines() if line.startswith('{"schema"')]
    assert found, printed
    last: dict[str, Any] = found[-1]
    return last


def test_a_pack_is_published_once_with_its_changelog(
    comfy: Client, registry: RegistryProcess, token: str, tmp_path: Path
) -> None:
    folder = source(tmp_path, "1.0.0")
    publish = ("--skip-prompt", "--json", "node", "publish", "--token", token, "--changelog", "First of all")
    code, printed = comfy(*publish, inside=folder)
    assert (code, "Upload successful." in printed) == (0, True), printed
    version = httpx.get(f"{registry.url}/nodes/probe-pack/versions/1.0.0").json()
    assert (version["status"], version["changelog"]) == ("NodeVersionStatusActive", "First of all")
    code, printed = comfy(*publish, inside=folder)
    error = envelope(printed)["error"]
    assert (code, error["code"], error["details"]["status"]) == (1, "node_publish_failed", 400)
    assert "The node version already exists" in error["message"]


def test_a_wrong_token_publishes_nothing_and_is_not_logged(
    comfy: Client, registry: RegistryProcess, token: str, tmp_path: Path
) -> None:
    other = registry.publisher("other")
    for wrong in ("no-such-token", other):
        code, printed = comfy(
            "--skip-prompt", "--json", "node", "publish", "--token", wrong, inside=source(tmp_path / wrong, "2.0.0")
        )
        assert (code, envelope(printed)["error"]["details"]["status"]) == (1, 403)
        assert wrong not in (registry.data / "serve.log").read_text(encoding="utf-8")
    assert httpx.get(f"{registry.url}/nodes/probe-pack/versions/2.0.0").status_code == 404


def test_packs_are_listed(comfy: Client, published: str) -> None:
    code, printed = comfy("node", "registry-list")
    row = next(line for line in printed.splitlines() if published in line)
    assert (code, "1.1.0" in row, "A pack for probing" in row) == (0, True, True), printed


@pytest.mark.parametrize(
    ("arguments", "version"),
    [((), "1.1.0"), (("--version", "1.0.0"), "1.0.0"), (("--version", "1.2.0"), "1.2.0")],
    ids=["the newest that is not yanked", "the one asked for", "a yanked one that was asked for"],
)
def test_a_version_is_installed(
    comfy: Client, registry: RegistryProcess, workspace: Path, published: str, arguments: tuple[str, ...], version: str
) -> None:
    target = workspace / "custom_nodes" / published
    shutil.rmtree(target, ignore_errors=True)
    before = httpx.get(f"{registry.url}/nodes/{published}").json()["downloads"]
    code, printed = comfy("--workspace", workspace, "node", "registry-install", published, *arguments)
    assert code == 0, printed
    assert f'version = "{version}"' in (target / "pyproject.toml").read_text(encoding="utf-8")
    assert httpx.get(f"{registry.url}/nodes/{published}").json()["downloads"] == before + 1


def test_a_pack_is_installed_in_whatever_case_it_is_written(comfy: Client, workspace: Path, published: str) -> None:
    code, printed = comfy("--workspace", workspace, "node", "registry-install", "Shared-Pack")
    assert (code, (workspace / "custom_nodes" / "Shared-Pack" / "pyproject.toml").is_file()) == (0, True), printed
    shutil.rmtree(workspace / "custom_nodes" / "Shared-Pack")


@pytest.mark.parametrize("asked", [("no-such-pack",), ("shared-pack", "--version", "7.0.0")])
def test_what_there_is_not_is_not_installed(
    comfy: Client, workspace: Path, published: str, asked: tuple[str, ...]
) -> None:
    shutil.rmtree(workspace / "custom_nodes" / published, ignore_errors=True)
    code, printed = comfy("--workspace", workspace, "--json", "node", "registry-install", *asked)
    error = envelope(printed)["error"]
    assert (code, error["code"], error["details"]["status"]) == (1, "registry_install_failed", 404)
    assert list((workspace / "custom_nodes").iterdir()) == []


def test_requirements_and_newer_versions_are_told(comfy: Client, workspace: Path, published: str) -> None:
    code, printed = comfy("--workspace", workspace, "--json", "node", "deps", "--registry", published)
    said = envelope(printed)
    assert (code, said["ok"]) == (0, True), printed
    assert "numpy" in json.dumps(said["data"])
    comfy("--workspace", workspace, "node", "registry-install", published, "--version", "1.0.0")
    code, printed = comfy("--workspace", workspace, "--json", "outdated")
    [row] = envelope(printed)["data"]["packs"]
    assert (row["name"], row["installed"], row["latest"], row["outdated"]) == (published, "1.0.0", "1.1.0", True)
