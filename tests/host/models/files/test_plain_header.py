from __future__ import annotations

import json

import pytest

from host.models.files.header import DTYPE_BITS
from host.models.files.plain_header import read_plain_header
from sdk.models import TensorInfo

A, B = (
    '"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}',
    '"b": {"dtype": "F16", "shape": [1, 1], "data_offsets": [4, 6]}',
)


def test_an_ordinary_header_is_read_in_the_order_of_the_bytes() -> None:
    found = read_plain_header(f"{{{B}, {A}}}".encode(), 6, DTYPE_BITS)
    assert found is not None
    assert list(found.tensors.items()) == [("a", TensorInfo("U8", (4,))), ("b", TensorInfo("F16", (1, 1)))]
    assert (list(found.begins), list(found.ends), found.metadata) == ([0, 4], [4, 6], {})


def test_metadata_with_quotation_marks_are_ordinary() -> None:
    metadata = json.dumps({"note": json.dumps({"x": "y"})})
    found = read_plain_header(f'{{"__metadata__": {metadata}, {A}}}'.encode(), 4, DTYPE_BITS)
    assert found is not None
    assert found.metadata == {"note": '{"x": "y"}'}


@pytest.mark.parametrize(
    "text",
    [
        f"{{{A}, {A}}}",
        f'{{"__metadata__": {{"k": "1", "k": "2"}}, {A}}}',
        '{"a": {"dtype": "U8", "dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}',
        f'{{"__metadata__": {{"k": "\\u0022\\u0022\\u0022\\u0022", "k": ""}}, {A}}}',
        f'{{{A}, "more": 1}}',
        A,
        "{}",
    ],
)
def test_anything_unusual_is_left_to_the_careful_reader(text: str) -> None:
    assert read_plain_header(text.encode(), 4, DTYPE_BITS) is None


def test_an_empty_vector_that_marks_a_file_is_ordinary() -> None:
    mark = '"scaled_fp8": {"dtype": "F8_E4M3", "shape": [0], "data_offsets": [4, 4]}'
    found = read_plain_header(f"{{{B}, {mark}, {A}}}".encode(), 6, DTYPE_BITS)
    assert found is not None
    assert (list(found.tensors), list(found.begins), list(found.ends)) == (
        ["a", "scaled_fp8", "b"],
        [0, 4, 4],
        [4, 4, 6],
    )


def test_a_matrix_without_numbers_is_left_to_the_careful_reader() -> None:
    empty = '"e": {"dtype": "U8", "shape": [0, 9], "data_offsets": [4, 4]}'
    assert read_plain_header(f"{{{A}, {empty}}}".encode(), 4, DTYPE_BITS) is None
