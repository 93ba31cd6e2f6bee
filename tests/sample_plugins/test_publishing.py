"""Every sample pack is published to a real registry, as its author would."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry_server.settings import Settings
from sdk.authoring.errors import ChecksFailed, RegistryRefused
from sdk.authoring.publish_command import publish
from sdk.commands import ExitCode
from sdk.manifest import read_manifest
from tests.support.registry import on_a_port, registry

SAMPLES = Path(__file__).parents[2] / "sample_plugins"
PACKS = sorted(path.parent for path in SAMPLES.glob("*/pyproject.toml"))


def test_all_sample_packs_live_together_in_one_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with registry(Settings(data=tmp_path / "registry", writes_per_minute=0)) as found, on_a_port(found) as address:
        monkeypatch.setenv("COMFY_PACKS_TOKEN", found.publisher("samples"))
        for pack in PACKS:
            publish(pack, address, token_file=tmp_path / "none.json")
        for pack in PACKS:
            manifest = read_manifest(pack)
            release = found.client.get(f"/api/v1/packs/{manifest.name}/versions/{manifest.version}").json()
            assert (release["state"], release["findings"], release["unread"]) == ("active", [], [])
        assert found.client.get("/api/v1/nodes/RaycasterView").json()["owner"] == "raycaster"


def test_a_variant_with_a_node_of_another_sample_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = tmp_path / "web-hello-again"
    (variant / "again").mkdir(parents=True)
    (variant / "pyproject.toml").write_text(
        '[project]\nname = "web-hello-again"\nversion = "1.0.0"\nlicense = "MIT"\n'
        '[project.entry-points."comfy_nodes.packs"]\nagain = "again"\n'
    )
    (variant / "again" / "__init__.py").write_text(
        "from sdk import hookimpl, node\n\n\n@node(id='WebHello')\ndef hello() -> str:\n    return 'again'\n\n\n"
        "@hookimpl\ndef register_nodes():\n    return [hello]\n"
    )
    with registry(Settings(data=tmp_path / "registry", writes_per_minute=0)) as found, on_a_port(found) as address:
        monkeypatch.setenv("COMFY_PACKS_TOKEN", found.publisher("samples"))
        publish(SAMPLES / "web-hello", address, token_file=tmp_path / "none.json")
        with pytest.raises(RegistryRefused, match=r"'WebHello' \(owned by web-hello\)") as caught:
            publish(variant, address, token_file=tmp_path / "none.json")
    assert caught.value.exit_code is ExitCode.DUPLICATE_NODES


def test_a_variant_that_wants_another_numpy_stays_at_home(tmp_path: Path) -> None:
    variant = tmp_path / "image-filters"
    shutil.copytree(SAMPLES / "image-filters", variant, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = (variant / "pyproject.toml").read_text()
    (variant / "pyproject.toml").write_text(manifest.replace("dependencies = []", 'dependencies = ["numpy<2"]'))
    with pytest.raises(ChecksFailed) as caught:
        publish(variant, "https://registry.example", dry_run=True)
    (finding,) = caught.value.as_json()["findings"]
    assert (finding["id"], finding["severity"]) == ("CN130", "high")
    assert "numpy" in finding["message"]
