"""ComfyUI-Manager 4.3's command line installs from a registry of ours, and takes it for its channel.

Its registry's address is built in, so a proxy stands in front of ours (see ``front_door``). What it imports of ComfyUI
and of torchvision, a workspace of a few lines has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.registry_clients.conftest import Client
from tests.e2e.registry_clients.front_door import front_door
from tests.support.registry_packs import pack
from tests.support.registry_process import RegistryProcess, registry_process

pytestmark = pytest.mark.e2e
HOST = "api.comfy.org"
CONFIG = """[default]
channel_url = {url}
default_cache_as_channel_url = true
http_channel_enabled = true
use_uv = false
"""
MORE_THAN_A_PAGE = 31


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """A registry with two versions of a pack, a pack in quarantine, and more others than a page holds."""
    data = tmp_path_factory.mktemp("data")
    with registry_process(data, "--writes-per-minute", "0", "--public-url", f"https://{HOST}") as found:
        token = found.publisher("acme")
        for version in ("1.0.0", "1.1.0"):
            found.upload(pack("probe-pack", version, nodes=["Probe"], files={f"only_{version}.txt": "x"}), token)
        for number in range(MORE_THAN_A_PAGE):
            found.upload(pack(f"pack-{number:02}", nodes=[f"Node {number}"]), token)
        found.upload(pack("flagged-pack", nodes=["Flagged"]), token)
        found.admin("release", "state", "flagged-pack", "1.0.0", "quarantined", "--reason", "a test")
        yield found


@pytest.fixture(scope="module")
def manager(registry: RegistryProcess, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = workspace / "user" / "__manager"
    settings.mkdir()
    (settings / "config.ini").write_text(CONFIG.format(url=registry.url), encoding="utf-8")
    folder = tmp_path_factory.mktemp("manager")
    made = Client("comfyui-manager", "cm-cli", folder)
    with front_door(HOST, registry.port, folder) as door:
        paths = {"COMFYUI_PATH": str(workspace), "PYTHONPATH": str(workspace), "PYTHONDONTWRITEBYTECODE": "1"}
        made.environment |= door.environment | paths
        yield made


@pytest.fixture(scope="module")
def cached(manager: Client) -> str:
    """What it said when it fetched everything; without that, it asks for nothing but versions to install."""
    code, printed = manager("update-cache")
    assert code == 0, printed
    return printed


def test_a_version_is_installed_and_shown(manager: Client, cached: str, workspace: Path) -> None:
    installed = workspace / "custom_nodes" / "probe-pack"
    code, printed = manager("install", "probe-pack@1.0.0", "--exit-on-fail")
    assert (code, "[INSTALLED]" in printed) == (0, True), printed
    assert "only_1.0.0.txt" in (installed / ".tracking").read_text(encoding="utf-8").splitlines()
    code, printed = manager("show", "installed")
    assert (code, "probe-pack" in printed, "(author: Acme" in printed) == (0, True, True), printed
    assert "[1.0.0]" in printed
    code, printed = manager("show-versions", "probe-pack")
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("[20")] == ["1.1.0", "1.0.0"]


def test_the_registry_is_its_channel_too(
    manager: Client, cached: str, registry: RegistryProcess, workspace: Path
) -> None:
    assert "Cache update complete." in cached
    log = (registry.data / "serve.log").read_text(encoding="utf-8")
    for name in ("custom-node-list", "extension-node-map", "model-list", "alter-list", "github-stats"):
        assert f"GET /{name}.json 200" in log
    assert log.count("GET /nodes 200") >= 2, "there are more packs than a page holds"
    code, printed = manager("install", "pack-30", "--exit-on-fail")
    assert (code, (workspace / "custom_nodes" / "pack-30" / "pyproject.toml").is_file()) == (0, True), printed


def test_what_is_not_given_out_is_not_installed(manager: Client, workspace: Path) -> None:
    for asked in ("flagged-pack@1.0.0", "no-such-pack@1.0.0", "probe-pack@7.0.0"):
        manager("install", asked)
    names = {path.name for path in (workspace / "custom_nodes").iterdir()}
    assert names & {"flagged-pack", "no-such-pack"} == set()
    assert 'version = "1.' in (workspace / "custom_nodes" / "probe-pack" / "pyproject.toml").read_text(encoding="utf-8")
