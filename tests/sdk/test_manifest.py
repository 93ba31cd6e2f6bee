"""Reading a pack's pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk.errors import ManifestError
from sdk.manifest import read_manifest

COMPLETE = """
[project]
name = "probe-pack"
version = "1.0.1"
description = "a pack"
license = {text = "MIT"}
requires-python = ">=3.11"
dependencies = ["numpy>=1", "comfyui-frontend-package>=1.20.0"]
classifiers = ["Operating System :: OS Independent", "Environment :: GPU :: NVIDIA CUDA", "Environment :: Console"]
[project.urls]
Repository = "https://code.example/me/probe-pack"
[project.entry-points."comfy_nodes.packs"]
probe = "probe_pack:plugin"
[tool.comfy]
PublisherId = "me"
DisplayName = "Probe Pack"
Icon = "https://x.example/i.png"
Banner = "https://x.example/b.png"
requires-comfyui = ">=0.3.0"
includes = ["dist"]
[tool.comfy-nodes]
packs = ["other>=1"]
host-api = ">=0.1,<2"
permissions = ["network"]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_every_field_is_read(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, COMPLETE))
    assert (manifest.name, manifest.version, manifest.publisher) == ("probe-pack", "1.0.1", "me")
    assert manifest.dependencies == ("numpy>=1",)
    assert manifest.requires_frontend == ">=1.20.0"
    assert manifest.systems == ("OS Independent",)
    assert manifest.accelerators == ("GPU :: NVIDIA CUDA",)
    assert manifest.packs == ("other>=1",)
    assert manifest.host_api == ">=0.1,<2"
    assert manifest.license == {"text": "MIT"}
    assert manifest.entry_points == {"probe": "probe_pack:plugin"}


def test_a_dynamic_version_is_found_without_running_code(tmp_path: Path) -> None:
    (tmp_path / "about.py").write_text('raise SystemExit\n__version__ = "2.3.4"\n')
    text = '[project]\nname="a"\ndynamic=["version"]\n[tool.comfy.version]\npath="about.py"\n'
    assert read_manifest(write(tmp_path, text)).version == "2.3.4"


def test_a_dynamic_version_may_not_leave_the_pack(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text('VERSION = "9.9.9"\n')
    pack = tmp_path / "pack"
    pack.mkdir()
    text = '[project]\nname="a"\ndynamic=["version"]\n[tool.comfy.version]\npath="../secret.py"\n'
    with pytest.raises(ManifestError, match="names no file of the pack"):
        read_manifest(write(pack, text))


def test_an_unusable_comfyui_range_is_left_out(tmp_path: Path) -> None:
    text = '[project]\nname="a"\nversion="1"\n[tool.comfy]\nrequires-comfyui="newest"\n'
    assert read_manifest(write(tmp_path, text)).requires_comfyui == ""


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        '[project]\nname="-bad-"\nversion="x"\ndependencies=["==="]\n[tool.comfy-nodes]\nhost-api="~"\npacks="other"\n'
    )
    with pytest.raises(ManifestError) as caught:
        read_manifest(write(tmp_path, text))
    said = str(caught.value)
    assert len(caught.value.problems) == 5
    assert all(word in said for word in ("project.name", "project.version", "dependencies", "host-api", "packs"))


@pytest.mark.parametrize("text", ["[project", "\x00", "project = 3\n"])
def test_broken_files_are_manifest_errors(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError):
        read_manifest(write(tmp_path, text))


def test_a_missing_file_says_what_a_pack_needs(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="a pack needs one with"):
        read_manifest(tmp_path)
