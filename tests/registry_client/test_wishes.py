"""Which packs a workflow needs."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from registry_client.errors import Ambiguous, NotThere
from registry_client.wishes import UnreadableWorkflow, Uses, packs_for, read_uses
from sdk.commands import ExitCode
from sdk.registry import NodeClaim
from tests.support.registry_client import MemoryIndex, pack, release

INDEX = MemoryIndex(
    pack("tint", release("1", nodes=(NodeClaim(id="Tint"), NodeClaim(id="Shared")))),
    pack("tone", release("1", nodes=(NodeClaim(id="Tone", aliases=("Old Tone",)), NodeClaim(id="Shared")))),
)
API = {"1": {"class_type": "Tint", "inputs": {}}, "2": {"class_type": "KSampler", "inputs": {}}}


def drawn(*nodes: dict[str, object], **more: object) -> dict[str, object]:
    return {"nodes": list(nodes), "links": [], **more}


def png(keyword: bytes, text: str, kind: bytes = b"tEXt") -> bytes:
    body = {
        b"tEXt": keyword + b"\0" + text.encode(),
        b"zTXt": keyword + b"\0\0" + zlib.compress(text.encode()),
        b"iTXt": keyword + b"\0\1\0\0\0" + zlib.compress(text.encode()),
    }[kind]
    return b"\x89PNG\r\n\x1a\n" + chunk(kind, body) + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def test_both_formats_are_read(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_text(json.dumps(API))
    assert read_uses(path) == [Uses("Tint"), Uses("KSampler")]
    noted = {"type": "Tint", "properties": {"cnr_id": "tint", "ver": "1.2.3"}}
    core = {"type": "KSampler", "properties": {"cnr_id": "comfy-core", "ver": "0.3"}}
    group = {"id": "group-1", "nodes": [{"type": "Tone"}]}
    path.write_text(json.dumps(drawn(noted, core, {"type": "group-1"}, definitions={"subgraphs": [group]})))
    assert read_uses(path) == [Uses("Tint", "tint", "1.2.3"), Uses("KSampler"), Uses("Tone")]


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_pictures_are_read(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "w.png"
    path.write_bytes(png(b"prompt", json.dumps(API), kind))
    assert [use.node for use in read_uses(path)] == ["Tint", "KSampler"]


def test_a_picture_whose_workflow_is_damaged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "w.png"
    path.write_bytes(png(b"prompt", json.dumps(API)).replace(b"Tint", b"Tent"))
    with pytest.raises(UnreadableWorkflow, match=r"no workflow with nodes\. The PNG is damaged: the checksum"):
        read_uses(path)


def test_a_file_too_large_for_a_workflow_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.truncate(1 << 27)
    with pytest.raises(UnreadableWorkflow, match="larger than"):
        read_uses(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\x89PNG\r\n\x1a\n", b"[" * 100_000])
def test_what_holds_no_workflow_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(content)
    with pytest.raises(UnreadableWorkflow) as caught:
        read_uses(path)
    assert caught.value.exit_code is ExitCode.WORKFLOW_UNREADABLE


def test_nodes_that_are_there_need_no_pack() -> None:
    assert packs_for([Uses("KSampler"), Uses("Note")], ["KSampler"], INDEX) == {}


def test_the_one_pack_that_has_a_node_is_wanted_also_under_a_former_id() -> None:
    assert list(packs_for([Uses("Tint"), Uses("Old Tone")], [], INDEX)) == ["tint", "tone"]


def test_what_the_editor_noted_decides_and_its_version_too() -> None:
    (found,) = packs_for([Uses("Shared", "tone", "1.4.0")], [], INDEX).values()
    assert str(found) in ("tone>=1.4.0,<2", "tone<2,>=1.4.0")
    assert str(packs_for([Uses("Tint", "tint", "nightly")], [], INDEX)["tint"]) == "tint"


def test_several_packs_for_a_node_are_named_and_none_is_picked() -> None:
    with pytest.raises(Ambiguous, match="'Shared': tint, tone"):
        packs_for([Uses("Shared")], [], INDEX)
    assert list(packs_for([Uses("Shared")], [], INDEX, choose=["Tone"])) == ["tone"]


def test_a_pack_that_is_needed_anyway_is_taken() -> None:
    assert list(packs_for([Uses("Tint"), Uses("Shared")], [], INDEX)) == ["tint"]


def test_nodes_that_nobody_has_are_all_named() -> None:
    with pytest.raises(NotThere, match="'Gone', 'Lost'"):
        packs_for([Uses("Gone"), Uses("Tint"), Uses("Lost")], [], INDEX)
