from __future__ import annotations

import json
from typing import Any

import pytest

from host.models.files.header import DTYPE_BITS
from host.models.files.known_layouts import TENSORS_LIMIT, KnownLayouts

A = {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}


def written(metadata: dict[str, str] | None, tensors: dict[str, Any]) -> bytes:
    """As the format's own library writes it."""
    head = {} if metadata is None else {"__metadata__": metadata}
    return json.dumps(head | tensors, separators=(",", ":")).encode()


@pytest.mark.parametrize("metadata", [{"note": "plain"}, {"note": 'quotes " and \\ and {}', "empty": ""}])
def test_headers_that_differ_in_metadata_alone_share_their_tensors(metadata: dict[str, str]) -> None:
    known = KnownLayouts()
    first = known.read(written(None, A), 4, DTYPE_BITS)
    second = known.read(written(metadata, A), 4, DTYPE_BITS)
    assert first is not None
    assert second is not None
    assert (first.metadata, second.metadata) == ({}, metadata)
    assert second.tensors is first.tensors


def test_a_file_that_is_too_short_is_not_taken_for_one_that_is_known() -> None:
    known = KnownLayouts()
    assert known.read(written(None, A), 4, DTYPE_BITS) is not None
    assert known.read(written(None, A), 3, DTYPE_BITS) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"__metadata__":{"k":"1","k":"2"},' + written(None, A)[1:],
        b'{"__metadata__":{"k":"1"},"__metadata__":{"k":"2"},' + written(None, A)[1:],
        b'{"__metadata__":{"k":"\xff"},' + written(None, A)[1:],
        b'{"__metadata__":{"k":1},' + written(None, A)[1:],
        b'{"__metadata__":{"k":"1"},}',
        written(None, A)[:-1] + b',"__metadata__":{"k":"1"},"__metadata__":{"k":"2"}}',
        b"{}",
    ],
)
def test_what_is_wrong_stays_wrong(raw: bytes) -> None:
    known = KnownLayouts()
    assert known.read(written({"k": "1"}, A), 4, DTYPE_BITS) is not None
    assert known.read(raw, 4, DTYPE_BITS) is None


def test_only_so_many_tensors_are_remembered() -> None:
    known = KnownLayouts()
    for number in range(4):
        count = TENSORS_LIMIT // 2
        places = range(count)
        tensors = {f"{number}.{i}": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in places}
        assert known.read(written(None, tensors), count, DTYPE_BITS) is not None
        assert known.tensors <= TENSORS_LIMIT
    assert known.read(written(None, A), 4, DTYPE_BITS) is not None
