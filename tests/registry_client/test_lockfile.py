"""The lock: stable, readable, complete."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_client.errors import NotThere
from registry_client.lockfile import (
    BadLock,
    Lock,
    LockedPack,
    LockedWheel,
    decode_lock,
    differences,
    encode_lock,
    lock_digest,
    read_lock,
)

TINT = LockedPack(id="acme-tint", version="1.2", sha256="ab" * 32, registry="https://r.example", nodes=("Tint",))
WHEEL = LockedWheel(name="tabulate", version="0.9", hashes=("sha256:" + "0" * 64,))
LOCK = Lock(host="0.1.0", python="3.11", packs=(TINT,), wheels=(WHEEL,), owners={"Tint": "acme-tint"})
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


@given(
    st.lists(
        st.builds(
            LockedPack,
            id=st.text("abc", min_size=1, max_size=3),
            version=TEXT,
            sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
            requested=TEXT,
            source=TEXT,
            nodes=st.lists(TEXT).map(tuple),
            enabled=st.booleans(),
            scripts=st.booleans(),
            size=st.integers(0, 2**40),
        ),
        unique_by=lambda pack: pack.id,
    ),
    st.dictionaries(TEXT, TEXT, max_size=4),
)
def test_a_lock_survives_writing_and_reading(packs: list[LockedPack], owners: dict[str, str]) -> None:
    lock = Lock(host="1", python="3.11", packs=tuple(sorted(packs, key=lambda p: p.id)), owners=owners)
    assert decode_lock(encode_lock(lock), "test") == lock


def test_the_order_in_which_packs_were_found_does_not_show() -> None:
    other = replace(TINT, id="Other", version="1")
    one, two = replace(LOCK, packs=(TINT, other)), replace(LOCK, packs=(other, TINT))
    assert encode_lock(one) == encode_lock(two)
    assert lock_digest(one) == lock_digest(two)


def test_one_fact_is_one_line() -> None:
    lines = encode_lock(LOCK).decode().splitlines()
    assert 'version = "1.2"' in lines
    assert 'Tint = "acme-tint"' in lines


@pytest.mark.parametrize(
    "content", [b"\xff", b"x = [", b"format = 99", b"format = 1\n[[pack]]\nid = 3", b"format = 1\n[[pack]]\nid = 'a'"]
)
def test_what_is_no_lock_is_refused(content: bytes) -> None:
    with pytest.raises(BadLock):
        decode_lock(content, "test")


@pytest.mark.parametrize("name", ["../x", "/x", "..", "", "a/b", "a\\b", "x\0", "tіnt", "a" * 101])
def test_names_that_lead_out_of_a_folder_are_refused(name: str) -> None:
    for packs in (replace(TINT, id=name), replace(TINT, sha256=name)):
        with pytest.raises(BadLock, match="can be neither a pack's id nor a sha256"):
            decode_lock(encode_lock(replace(LOCK, packs=(packs,))), "test")


def test_keys_of_newer_versions_are_skipped() -> None:
    content = encode_lock(LOCK).replace(b'id = "acme-tint"', b'id = "acme-tint"\nsmell = "rose"')
    assert decode_lock(content, "test") == LOCK


def test_a_missing_lock_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="comfy-nodes lock"):
        read_lock(tmp_path / "none.lock")


def test_differences_name_what_is_missing_changed_and_superfluous() -> None:
    found = Lock(packs=(replace(TINT, version="1.1", sha256="0"), replace(TINT, id="extra")), wheels=())
    lines = "\n".join(differences(LOCK, found))
    for part in ("acme-tint 1.2 is wanted, and 1.1", "extra 1.2 is installed, and not in", "tabulate 0.9", "own some"):
        assert part in lines
    assert differences(LOCK, LOCK) == []
    assert differences(LOCK, replace(LOCK, packs=(replace(TINT, enabled=False),))) == ["acme-tint 1.2 is disabled"]
