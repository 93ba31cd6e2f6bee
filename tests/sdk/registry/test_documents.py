"""Records and their JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.registry import (
    BadIndexDocument,
    Change,
    Deprecation,
    IndexConfig,
    NodeClaim,
    Pack,
    Release,
    State,
    bundle_path,
    decode_bundle,
    decode_changes,
    decode_config,
    decode_pack,
    digest,
    encode_bundle,
    encode_changes,
    encode_config,
    encode_pack,
    fold,
    pack_path,
    pinned_pack_path,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CLAIMS = st.builds(NodeClaim, id=TEXT, title=TEXT, code=TEXT, aliases=st.tuples(TEXT))
RELEASES = st.builds(
    Release,
    version=TEXT,
    sha256=TEXT,
    size=st.integers(0, 2**50),
    url=TEXT,
    state=st.sampled_from(State),
    nodes=st.lists(CLAIMS, max_size=3).map(tuple),
    nodes_complete=st.booleans(),
    deprecated=st.none() | st.builds(Deprecation, reason=TEXT, replacement=TEXT),
    findings=st.dictionaries(TEXT, st.integers(0, 9), max_size=2),
)
IDS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,9}[A-Za-z0-9])?", fullmatch=True)
PACKS = st.builds(Pack, id=IDS, name=TEXT, owns=st.tuples(TEXT), releases=st.lists(RELEASES, max_size=3).map(tuple))


@given(PACKS)
def test_a_pack_comes_back_as_it_was(pack: Pack) -> None:
    assert decode_pack(encode_pack(pack)) == pack


def test_the_same_pack_is_always_the_same_bytes() -> None:
    one = Release(version="1.0.0", sha256="a", size=1, url="u", findings={"high": 1, "low": 2})
    other = Release(version="1.0.0", sha256="a", size=1, url="u", findings={"low": 2, "high": 1})
    assert encode_pack(Pack(id="p", releases=(one,))) == encode_pack(Pack(id="p", releases=(other,)))


def test_fields_with_their_default_are_left_out() -> None:
    assert json.loads(encode_pack(Pack(id="p"))) == {"id": "p"}


def test_keys_of_a_newer_format_are_skipped() -> None:
    assert decode_pack(b'{"id": "p", "colour": "red"}') == Pack(id="p")


@pytest.mark.parametrize(
    ("document", "part"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "must be an object"),
        (b"{}", "lacks id"),
        (b'{"id": 5}', "must be str"),
        (b'{"id": "p", "releases": {}}', "must be a list"),
        (b'{"id": "p", "releases": [{"version": "1"}]}', "lacks sha256, size, url"),
        (b'{"id": "p", "releases": [{"version": "1", "sha256": "", "size": true, "url": ""}]}', "must be int"),
        (b'{"id": "p", "releases": [{"version":"1","sha256":"","size":1,"url":"","state":"odd"}]}', "none of active"),
    ],
)
def test_a_damaged_document_is_refused_with_its_place(document: bytes, part: str) -> None:
    with pytest.raises(BadIndexDocument, match=part) as caught:
        decode_pack(document, "packs/ab/p.json")
    assert str(caught.value).startswith("packs/ab/p.json")


def test_config_and_changes_come_back_as_they_were() -> None:
    config = IndexConfig(format=1, serial=7, name="studio", packs=3)
    changes = (Change(serial=6, kind="published", pack="p", version="1.0"), Change(serial=7, kind="removed", pack="q"))
    assert decode_config(encode_config(config)) == config
    assert decode_changes(encode_changes(changes)) == changes


def test_ids_that_differ_in_case_and_punctuation_share_one_document() -> None:
    assert fold("My_Pack..x") == "my-pack-x"
    assert pack_path("My_Pack") == pack_path("my-pack")
    assert pinned_pack_path("My_Pack", digest(b"x")).endswith(f"/my-pack.{digest(b'x')[:16]}.json")


@given(st.lists(st.builds(Pack, id=TEXT, description=TEXT, releases=st.tuples(RELEASES)), max_size=4))
def test_a_bundle_gives_back_its_changes_and_documents(packs: list[Pack]) -> None:
    documents = [encode_pack(pack) for pack in packs]
    changes = tuple(
        Change(serial=number, kind="published", pack=pack.id, digest=digest(document))
        for number, (pack, document) in enumerate(zip(packs, documents, strict=True), 1)
    )
    expected = {digest(document): document for document in documents}
    assert decode_bundle(encode_bundle(changes, documents)) == (changes, expected)
    assert decode_bundle(encode_changes(changes)) == (changes, {})


@pytest.mark.parametrize("bundle", [b"", b"{}", b"no json", b'{"changes":3}\n{}'])
def test_a_bundle_without_changes_is_refused(bundle: bytes) -> None:
    with pytest.raises(BadIndexDocument):
        decode_bundle(bundle)


def test_a_bundle_is_asked_for_as_changes_are() -> None:
    assert bundle_path(7) == "index/changes?since=7&documents=1"
