"""ComfyUI-Manager 4.3's command line installs from a registry of ours, and takes it for its channel.

Its registry's address is built in, so a proxy stands in front of ours (see ``front_door``). What it imports of ComfyUI
and of torchvision, a workspace of a few lines has.
"""

from __future__ import annotations

import json
import tomllib
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
    (settings / "channels.list").write_text(f"default::{registry.url}\n", encoding="utf-8")
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


def version_of(pack_folder: Path) -> str:
    """The version that ComfyUI-Manager takes a folder's pack for."""
    manifest = tomllib.loads((pack_folder / "pyproject.toml").read_text(encoding="utf-8"))
    found: str = manifest["project"]["version"]
    return found


def test_a_pack_is_updated_disabled_enabled_repaired_and_removed(manager: Client, cached: str, workspace: Path) -> None:
    packs, state = workspace / "custom_nodes", "probe-pack@1_0_0"
    manager("install", "probe-pack@1.0.0", "--exit-on-fail")
    code, printed = manager("update", "probe-pack")
    assert (code, "[  UPDATED  ]: probe-pack" in printed) == (0, True), printed
    reserved = workspace / "user" / "__manager" / "startup-scripts" / "install-scripts.txt"
    assert f"https://{HOST}/downloads/probe-pack/1.1.0/node.zip" in reserved.read_text(encoding="utf-8")
    reserved.unlink()
    assert "[DISABLED] probe-pack" in manager("disable", "probe-pack")[1]
    assert (packs / ".disabled" / state).is_dir()
    assert "probe-pack" in manager("show", "disabled")[1]
    assert "[ENABLED] probe-pack" in manager("enable", "probe-pack")[1]
    assert version_of(packs / "probe-pack") == "1.0.0"
    code, printed = manager("fix", "probe-pack")
    assert (code, "FIXING" in printed) == (0, True), printed
    assert "[INSTALLED] probe-pack" in manager("reinstall", "probe-pack")[1]
    assert version_of(packs / "probe-pack") == "1.1.0"
    assert not (packs / "probe-pack" / "only_1.0.0.txt").exists()
    assert "[UNINSTALLED] probe-pack" in manager("uninstall", "probe-pack")[1]
    assert "probe-pack" in manager("show", "not-installed")[1]


def test_a_snapshot_brings_the_same_version_back(manager: Client, cached: str, workspace: Path) -> None:
    saved = manager.folder / "snapshot.json"
    manager("install", "pack-07@1.0.0", "--exit-on-fail")
    assert manager("save-snapshot", "--output", saved)[0] == 0
    assert json.loads(saved.read_text(encoding="utf-8"))["cnr_custom_nodes"]["pack-07"] == "1.0.0"
    manager("uninstall", "pack-07")
    code, printed = manager("restore-snapshot", saved)
    assert (code, "[ INSTALLED ] pack-07@1.0.0" in printed) == (0, True), printed
    assert version_of(workspace / "custom_nodes" / "pack-07") == "1.0.0"


def test_a_workflow_s_packs_are_found_by_their_nodes(manager: Client, cached: str) -> None:
    workflow, found = manager.folder / "workflow.json", manager.folder / "needed.json"
    kinds = ("Node 3", "KSampler", "Nobody's Node")
    nodes = [{"id": number, "type": kind} for number, kind in enumerate(kinds)]
    workflow.write_text(json.dumps({"nodes": nodes, "links": [], "version": 0.4}), encoding="utf-8")
    code, printed = manager("deps-in-workflow", "--workflow", workflow, "--output", found)
    assert code == 0, printed
    needed = json.loads(found.read_text(encoding="utf-8"))
    assert list(needed["custom_nodes"]) == ["https://example.com/pack-03"]
    assert needed["unknown_nodes"] == ["Nobody's Node"]


def test_what_is_not_given_out_is_not_installed(manager: Client, workspace: Path) -> None:
    for asked in ("flagged-pack@1.0.0", "no-such-pack@1.0.0", "pack-08@7.0.0", "pack-09@unknown"):
        assert "[INSTALLED]" not in manager("install", asked)[1]
    names = {path.name for path in (workspace / "custom_nodes").iterdir()}
    assert names & {"flagged-pack", "no-such-pack", "pack-08", "pack-09"} == set()
