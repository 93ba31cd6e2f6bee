from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from sdk.archives import read_archive
from sdk.authoring.check_command import check
from sdk.authoring.errors import ChecksFailed, FolderMissing, ImportDisagrees, ReferenceUnusable
from sdk.authoring.pack_command import pack
from sdk.commands import ExitCode
from sdk.registry import encode_pack
from sdk.registry.records import NodeClaim, Pack, Release, State
from sdk.testing.packs import write_pack

CODE = """
    from sdk import hookimpl, node

    @node{options}
    def double(number: int = 1) -> int:
        return 2 * number

    @hookimpl
    def register_nodes():
        return [double]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written = write_pack(tmp_path, "doubling", CODE.format(options=""), version="1.2.0")
    (written / "LICENSE").write_text("MIT")
    return written


def published(path: Path, *releases: Release) -> str:
    path.write_bytes(encode_pack(Pack(id="doubling", releases=releases)))
    return str(path)


def release(version: str, *ids: str, state: State = State.ACTIVE) -> Release:
    claims = tuple(NodeClaim(id=name) for name in ids)
    return Release(version=version, sha256="0" * 64, size=1, url="x", nodes=claims, state=state)


def test_check_says_that_there_is_nothing_to_say(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(folder)
    assert capsys.readouterr().out == "doubling: 1 nodes; licence: see LICENSE; nothing to object to\n"


def test_check_prints_findings_with_their_places(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "more.py").write_text("def f(x):\n    return eval(x)\n")
    check(folder)
    out = capsys.readouterr().out
    assert "more.py:2: medium CN102 eval() is given text that is not constant\n" in out
    assert "doubling: 1 nodes; licence: see LICENSE; 1 medium\n" in out


def test_check_fails_on_high_severity(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "more.py").write_text("import os\nos.system('pip install x')\n")
    with pytest.raises(ChecksFailed, match="one finding of high severity") as caught:
        check(folder, as_json=True)
    assert caught.value.exit_code is ExitCode.CHECK_FAILED
    assert caught.value.as_json()["findings"][0]["file"] == "more.py"
    assert capsys.readouterr().out == ""


def test_check_as_json_is_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(folder, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "pack": "doubling",
        "version": "1.2.0",
        "licence": "see LICENSE",
        "kind": "sdk",
        "nodes": ["Double"],
        "complete": True,
        "findings": [],
    }


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    for command in (check, pack):
        with pytest.raises(FolderMissing, match="nowhere"):
            command(tmp_path / "nowhere")


def test_a_lost_node_id_is_found(folder: Path, tmp_path: Path) -> None:
    old = published(tmp_path / "old.json", release("1.0.0", "Older"), release("1.1.0", "Double", "Twice"))
    with pytest.raises(ChecksFailed) as caught:
        check(folder, as_json=True, against=old)
    assert [item["message"] for item in caught.value.report["findings"]] == [
        "'Twice' of version 1.1.0 is neither a node nor an alias"
    ]


@pytest.mark.parametrize(
    ("version", "options", "releases"),
    [
        ("1.2.0", '(aliases=["Twice"])', [release("1.1.0", "Twice")]),
        ("2.0.0", "", [release("1.1.0", "Twice")]),
        ("1.2.0", "", [release("1.1.0", "Twice", state=State.YANKED)]),
        ("1.2.0", "", [release("1.3.0", "Twice")]),
        ("1.2.0", "", []),
    ],
    ids=["an alias", "a new major version", "yanked", "only later versions", "nothing published"],
)
def test_a_node_id_may_go_with_an_alias_or_a_new_major_version(
    version: str, options: str, releases: list[Release], tmp_path: Path
) -> None:
    folder = write_pack(tmp_path, "doubling", CODE.format(options=options), version=version)
    check(folder, as_json=True, against=published(tmp_path / "old.json", *releases))


@pytest.mark.parametrize("content", [None, b"<html>", b"[]"])
def test_a_document_that_can_not_be_compared_with_is_named(content: bytes | None, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReferenceUnusable, match=r"old\.json"):
        check(folder, against=str(path))


def test_pack_writes_an_archive_and_says_its_digest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder.parent / "out.zip"
    pack(folder, output=target)
    out = capsys.readouterr().out
    facts = read_archive(target)
    assert f"sha256 {facts.sha256}\n" in out
    assert facts.names == ("LICENSE", "doubling.py", "nodes.json", "pyproject.toml")


def test_a_dry_run_of_pack_tells_the_same_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder.parent / "out.zip"
    pack(folder, output=target, dry_run=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert not target.exists()
    pack(folder, output=target, as_json=True)
    assert json.loads(capsys.readouterr().out) == {**told, "written": True}
    assert told["written"] is False


def test_pack_as_json_names_the_archive(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    pack(folder, as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert result["archive"] == "doubling-1.2.0.zip"
    assert result["sha256"] == read_archive(folder.parent / "doubling-1.2.0.zip").sha256
    assert (result["nodes"], result["unread"]) == (1, 0)


def test_pack_refuses_where_an_import_gives_other_nodes(tmp_path: Path) -> None:
    code = CODE.format(options="").replace("return [double]", "return [double, *HIDDEN.values()]")
    hidden = 'HIDDEN = {}\n    operator.setitem(HIDDEN, 1, node(lambda: 1, id="Ghost", returns=int))'
    sly = code.replace("    @hookimpl", f"    import operator\n    {hidden}\n\n    @hookimpl")
    folder = write_pack(tmp_path, "doubling", sly)
    with pytest.raises(ImportDisagrees, match="Ghost"):
        pack(folder, output=tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
    pack(folder, output=tmp_path / "out.zip", no_import=True)
    assert (tmp_path / "out.zip").exists()


def test_a_pack_that_can_not_be_imported_here_is_packed_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pack(
        tmp_path, "doubling", CODE.format(options="").replace("    from sdk", "    import not_there\n    from sdk", 1)
    )
    pack(folder, output=tmp_path / "out.zip")
    assert "not_there" in capsys.readouterr().err


def test_both_commands_can_be_made_of_their_functions() -> None:
    app = typer.Typer()
    app.command()(check)
    app.command()(pack)
    assert typer.main.get_command(app).commands.keys() == {"check", "pack"}  # type: ignore[attr-defined]
