"""What `comfy-nodes new` writes works at once."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from sdk.authoring.errors import NotNew
from sdk.authoring.new_command import new
from sdk.authoring.scaffold import names_for, write_new
from sdk.checks import check_pack
from sdk.inspection import inspect_pack
from sdk.manifest import read_manifest
from tests.support.command_line import CommandLine

COMFY_NODE = """
class Blur:
    CATEGORY = "image"
    FUNCTION = "blur"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "radius": ("INT", {"default": 3})}}

    def blur(self, image, radius):
        return (image,)


NODE_CLASS_MAPPINGS = {"AcmeBlur": Blur}
"""


@pytest.fixture
def comfy_pack(tmp_path: Path) -> Path:
    folder = tmp_path / "ComfyUI-Blur"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "x.pyc").write_bytes(b"x")
    (folder / "__init__.py").write_text(COMFY_NODE)
    (folder / "requirements.txt").write_text("torch==2.1  # old\n--extra-index-url x\neinops>=0.7\n")
    return folder


def test_a_new_pack_passes_its_checks_and_tests_and_its_workflow_runs(tmp_path: Path) -> None:
    run = CommandLine(tmp_path)
    assert run("new", "acme-tint", "--json").json["nodes"] == ["AcmeTintTint"]
    assert check_pack(tmp_path / "acme-tint") == ()
    tested = run("test", "acme-tint", "--json").json
    assert (tested["failed"], tested["pack"]) == (0, "acme-tint")
    assert tested["passed"] == 11
    ran = run("run", "acme-tint/workflows/tint.json", "--pack-dir", "acme-tint", "--output-dir", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["acme-tint_00001_.png"]


@pytest.mark.parametrize("name", ["a", "Acme.Tint", "two__words-and-3"])
def test_every_name_gives_a_pack_that_can_be_read(name: str, tmp_path: Path) -> None:
    new(name, folder=tmp_path / "x")
    assert read_manifest(tmp_path / "x").name == name
    inspection = inspect_pack(tmp_path / "x")
    assert len(inspection.nodes) == 1
    assert not inspection.unread


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("-x", "can't be a pack's name"),
        ("../x", "can't be a pack's name"),
        ("3d", "which Python does not allow"),
        ("class", "which Python does not allow"),
        ("torch", "already taken by an installed package"),
        ("json", "already taken"),
        ("sdk", "already taken"),
    ],
)
def test_names_that_can_t_work_are_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(NotNew, match=said):
        new(name, folder=tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_nothing_that_is_there_is_touched(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    new("acme-tint", folder=tmp_path / "x")  # an empty folder is taken
    before = (tmp_path / "x" / "README.md").read_text()
    with pytest.raises(NotNew, match="is there already and is not empty"):
        new("other", folder=tmp_path / "x")
    assert (tmp_path / "x" / "README.md").read_text() == before


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new("acme-tint", folder=tmp_path / "x", dry_run=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert "acme_tint/nodes.py" in said["files"]
    assert said["written"] is False
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_t_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotNew, match="can't be written"):
        write_new(tmp_path / "file" / "pack", {"a": b"x"})
    with pytest.raises(NotNew, match="can't be written"):
        write_new(tmp_path / "pack", {"a": b"x", "a/b": b"y"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_comfyui_pack_becomes_one_that_can_be_published(
    comfy_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new("acme-blur", folder=tmp_path / "new", from_comfyui=comfy_pack, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["nodes"], said["dropped"]) == (["AcmeBlur"], ["torch==2.1"])
    assert (tmp_path / "new" / "__init__.py").read_text() == COMFY_NODE
    assert not (tmp_path / "new" / "__pycache__").exists()
    manifest = read_manifest(tmp_path / "new")
    assert (manifest.name, manifest.version, manifest.dependencies) == ("acme-blur", "1.0.0", ("einops>=0.7",))
    assert not [finding for finding in check_pack(tmp_path / "new") if finding.severity == "high"]


def test_a_wrapped_pack_s_nodes_run_in_the_host_and_its_test_guards_their_ids(comfy_pack: Path, tmp_path: Path) -> None:
    new("acme-blur", folder=tmp_path / "acme-blur", from_comfyui=comfy_pack)
    run = CommandLine(tmp_path)
    assert "radius" in run("nodes", "show", "AcmeBlur", "--pack-dir", "acme-blur").out
    assert run("test", "acme-blur", "--json").json["passed"] == 6  # its own test, loading, and four trials
    (tmp_path / "acme-blur" / "__init__.py").write_text(COMFY_NODE.replace("AcmeBlur", "Other"))
    assert run("test", "acme-blur", "--json").code == 12


def test_a_manifest_that_is_there_is_kept_and_completed(comfy_pack: Path, tmp_path: Path) -> None:
    (comfy_pack / "pyproject.toml").write_text(
        '[project]\nname = "old"\nversion = "2.3.0"\ndescription = "Blurs."\ndependencies = ["numpy<2", "einops"]\n'
        '[tool.comfy]\nPublisherId = "acme"\n'
    )
    new("acme-blur", folder=tmp_path / "new", from_comfyui=comfy_pack)
    manifest = read_manifest(tmp_path / "new")
    assert (manifest.name, manifest.version, manifest.publisher) == ("acme-blur", "2.3.0", "acme")
    assert manifest.dependencies == ("einops",)
    assert tomllib.loads((tmp_path / "new" / "pyproject.toml").read_text())["project"]["description"] == "Blurs."


def test_what_is_no_comfyui_pack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotNew, match=r"has no __init__\.py, so it is no ComfyUI pack"):
        new("acme-blur", folder=tmp_path / "new", from_comfyui=tmp_path / "empty")


def test_a_name_has_the_forms_that_a_pack_needs() -> None:
    names = names_for("acme-tint.v2")
    assert (names.module, names.title, names.prefix) == ("acme_tint_v2", "Acme tint v2", "AcmeTintV2")
