from __future__ import annotations

import pytest

from sdk.pack_ids import is_pack_id


@pytest.mark.parametrize("text", ["a", "acme-tint", "My.Pack_2", "0", "a..b", "a" * 100])
def test_these_are_ids(text: str) -> None:
    assert is_pack_id(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", ".", "..", "a/b", "a\\b", "a b", "a\n", "ä", "tіnt", "a\0", "a" * 101]
)
def test_these_are_none(text: str) -> None:
    assert not is_pack_id(text)
