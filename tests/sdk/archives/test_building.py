from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sdk.archives import CannotBuild, build_archive, read_archive, unpack
from sdk.errors import ManifestError
from sdk.testing.packs import write_pack

CODE = """
    from sdk import hookimpl, node

    @node
    def double(number: int = 1) -> int:
        return 2 * number

    @hookimpl
    def register_nodes():
        return [double]
"""


def git(folder: Path, *words: str) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, env={**os.environ, **identity})


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return write_pack(tmp_path, "doubling", CODE)


def test_the_same_files_give_the_same_bytes_wherever_and_whenever(pack: Path, tmp_path: Path) -> None:
    first = build_archive(pack, tmp_path / "1.zip")
    other = tmp_path / "elsewhere" / "another name"
    shutil.copytree(pack, other)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o755)
    assert build_archive(other, tmp_path / "2.zip").sha256 == first.sha256


def test_the_archive_holds_the_files_and_what_nodes_there_are(pack: Path, tmp_path: Path) -> None:
    facts = build_archive(pack, tmp_path / "out" / "pack.zip")
    assert facts.names == ("doubling.py", "nodes.json", "pyproject.toml")
    assert read_archive(facts.path) == facts
    unpack(facts.path, tmp_path / "target")
    nodes = json.loads((tmp_path / "target" / "nodes.json").read_bytes())
    assert nodes["nodes"]["Double"]["true_id"] == "doubling/Double"
    assert nodes["nodes"]["Double"]["schema"]["input"] == {"required": {"number": ["INT", {"default": 1}]}}


def test_only_what_git_tracks_is_packed(pack: Path, tmp_path: Path) -> None:
    git(pack, "init")
    git(pack, "add", ".")
    (pack / "secret.txt").write_text("not tracked")
    assert "secret.txt" not in build_archive(pack, tmp_path / "a.zip").names


def test_a_tracked_file_that_is_gone_is_named(pack: Path, tmp_path: Path) -> None:
    (pack / "gone.txt").write_text("x")
    git(pack, "init")
    git(pack, "add", ".")
    (pack / "gone.txt").unlink()
    with pytest.raises(CannotBuild, match=r"gone\.txt.*git rm"):
        build_archive(pack, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_without_git_caches_and_ignored_files_are_left_out(pack: Path, tmp_path: Path) -> None:
    for name in ("__pycache__/a.pyc", ".venv/lib.py", "notes.tmp", "docs/page.md", "doubling-0.9.0.zip"):
        (pack / name).parent.mkdir(exist_ok=True)
        (pack / name).write_text("x")
    (pack / ".gitignore").write_text("*.tmp\n")
    (pack / ".comfyignore").write_text("docs/\n")
    names = build_archive(pack, tmp_path / "a.zip").names
    assert set(names) == {".comfyignore", ".gitignore", "doubling.py", "nodes.json", "pyproject.toml"}


def test_includes_are_packed_though_they_are_ignored(pack: Path, tmp_path: Path) -> None:
    (pack / "dist").mkdir()
    (pack / "dist" / "app.js").write_text("x")
    (pack / ".comfyignore").write_text("dist/\n")
    with (pack / "pyproject.toml").open("a") as manifest:
        manifest.write('\n[tool.comfy]\nincludes = ["dist/"]\n')
    assert "dist/app.js" in build_archive(pack, tmp_path / "a.zip").names


def test_an_include_that_is_not_there_or_outside_is_named(pack: Path, tmp_path: Path) -> None:
    with (pack / "pyproject.toml").open("a") as manifest:
        manifest.write('\n[tool.comfy]\nincludes = ["../other"]\n')
    with pytest.raises(CannotBuild, match=r"\.\./other"):
        build_archive(pack, tmp_path / "a.zip")


def test_a_symbolic_link_is_not_packed_but_named(pack: Path, tmp_path: Path) -> None:
    (pack / "link.py").symlink_to("/etc/passwd")
    with pytest.raises(CannotBuild, match=r"link\.py.*symbolic link"):
        build_archive(pack, tmp_path / "a.zip")


def test_a_folder_without_a_manifest_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"pyproject\.toml"):
        build_archive(tmp_path, tmp_path / "a.zip")


def test_the_archive_built_before_is_not_packed_again(pack: Path) -> None:
    first = build_archive(pack, pack / "out.zip")
    assert build_archive(pack, pack / "out.zip").sha256 == first.sha256


def test_a_place_that_can_not_be_written_to_is_named(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotBuild, match=r"can't be packed: .*file.*: (File exists|Not a directory)"):
        build_archive(pack, tmp_path / "file" / "a.zip")
