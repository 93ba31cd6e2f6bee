"""A copy of an index as an SQLite file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from registry_client.index.local_copy import LocalCopy
from sdk.registry import BadIndexDocument, NodeClaim, digest, encode_pack
from tests.support.registry_client import pack, release


def document(name: str, *nodes: NodeClaim, description: str = "") -> bytes:
    return encode_pack(replace(pack(name, release("1.0", nodes=nodes)), description=description))


@pytest.fixture
def copy(tmp_path: Path) -> LocalCopy:
    made = LocalCopy(tmp_path, "https://example.com")
    first = [document("Pack_A", NodeClaim(id="One", aliases=("Former",)), NodeClaim(id="Two")), document("pack-b")]
    made.replace_all(first, serial="1", complete="1")
    return made


def claimed(copy: LocalCopy) -> list[tuple[str, str]]:
    return sorted((claim.id, pack_id) for claim, pack_id in copy.claims())


def test_a_new_document_takes_the_place_of_the_former_one(copy: LocalCopy) -> None:
    same_nodes = document("Pack_A", NodeClaim(id="One", aliases=("Former",)), NodeClaim(id="Two"), description="other")
    copy.put([(same_nodes, "etag")], serial="2")
    assert copy.digests(["pack-a"]) == {"pack-a": digest(same_nodes)}
    assert (copy.etag("PACK.A"), copy.serial) == ("etag", 2)
    assert claimed(copy) == [("One", "Pack_A"), ("Two", "Pack_A")]
    assert [found.description for found in copy.search("other", 5)] == ["other"]


@pytest.mark.parametrize(
    "nodes",
    [
        (),
        (NodeClaim(id="Two"),),
        (NodeClaim(id="One"), NodeClaim(id="Two")),
        (NodeClaim(id="One", title="A title", aliases=("Former",)), NodeClaim(id="Two")),
        (NodeClaim(id="Two"), NodeClaim(id="Three"), NodeClaim(id="One", aliases=("Former", "Other"))),
    ],
)
def test_nodes_are_those_of_the_new_document(copy: LocalCopy, nodes: tuple[NodeClaim, ...]) -> None:
    copy.put([(document("pack-a", *nodes), "")])
    assert claimed(copy) == sorted((node.id, "pack-a") for node in nodes)
    for name in ("One", "Two", "Three", "Former", "Other"):
        wanted = any(name in (node.id, *node.aliases) for node in nodes)
        assert bool(copy.providers(name)) is wanted, name


def test_documents_that_can_not_be_read_change_nothing(copy: LocalCopy) -> None:
    with pytest.raises(BadIndexDocument):
        copy.put([(document("pack-b", NodeClaim(id="New")), ""), (b"[]", "")], ["Pack_A"], serial="9")
    assert claimed(copy) == [("One", "Pack_A"), ("Two", "Pack_A")]
    assert copy.serial == 1


def test_removed_packs_are_gone_with_their_nodes(copy: LocalCopy) -> None:
    copy.put((), ["pack.a"])
    assert (copy.pack("pack-a"), claimed(copy)) == (None, [])
    assert copy.pack("pack-b") is not None
