from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.models.files.compact_header import read_compact_header
from host.models.files.header import DTYPE_BITS
from sdk.models import TensorInfo

KINDS = st.tuples(st.sampled_from(["F32", "F16", "U8", "F8_E4M3"]), st.lists(st.integers(1, 9), max_size=3))
NAMES = st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs", "Cc"]), max_size=5)


def written(tensors: dict[str, Any]) -> tuple[bytes, int]:
    """As the format's own library writes it, and how many bytes follow."""
    entries, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * DTYPE_BITS[dtype] // 8
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    return json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode(), end


@given(st.dictionaries(NAMES, KINDS, min_size=1, max_size=6), st.integers(0, 9))
def test_it_reads_what_was_written(tensors: dict[str, Any], spaces: int) -> None:
    raw, size = written(tensors)
    found = read_compact_header(raw + b" " * spaces, size, DTYPE_BITS)
    assert found is not None
    infos = {name: TensorInfo(dtype, tuple(shape)) for name, (dtype, shape) in tensors.items()}
    assert list(found.tensors.items()) == list(infos.items())
    spans = [entry["data_offsets"] for entry in json.loads(raw).values()]
    assert [list(span) for span in zip(found.begins, found.ends, strict=True)] == spans


def test_tensors_come_in_the_order_of_their_bytes() -> None:
    text = (
        b'{"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
        b'"mark":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[4,4]}}'
    )
    found = read_compact_header(text, 6, DTYPE_BITS)
    assert found is not None
    assert (list(found.tensors), list(found.begins), list(found.ends)) == (["a", "mark", "b"], [0, 4, 4], [4, 4, 6])


A = '"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}'


@pytest.mark.parametrize(
    "text",
    [
        f"{{{A},{A}}}",
        f"{{{A}}}}}",
        f"{{{A},}}",
        f"{{{A.replace('U8', 'U9')}}}",
        f"{{{A.replace('[4]', '[04]')}}}",
        f"{{{A.replace('[4]', '[4.0]')}}}",
        f"{{{A.replace('[4]', '[-4]')}}}",
        f"{{{A.replace('[4]', '[2,02]')}}}",
        f"{{{A.replace('[4]', '[4,]')}}}",
        f"{{{A.replace('[4]', '[0,9]')}}}",
        f"{{{A.replace('[0,4]', '[0,4.0]')}}}",
        f"{{{A.replace('[0,4]', '[00,4]')}}}",
        f"{{{A.replace('[0,4]', '[0,4,4]')}}}",
        f"{{{A.replace('[0,4]', '[0,5]')}}}",
        f"{{{A.replace('[0,4]', '[1,5]')}}}",
        f"{{{A.replace('[0,4]', '[4,0]')}}}",
        f"{{{A.replace('[0,4]', '[0,99999999999999999999]')}}}",
        f"{{{A.replace('shape', 'form')}}}",
        f"{{{A.replace(':', ': ')}}}",
        f'{{{A[:-1]},"more":1}}}}',
        f"{{{A.replace('a', chr(10), 1)}}}",
        f"{{{A.replace('a', chr(92) + 'u0061', 1)}}}",
        f"{{{A.replace('a', '__metadata__', 1)}}}",
        f"{{{A},{A.replace('a', 'b', 1)}}}",
        f"{{{A.replace('[0,4]', '[0,4],[4,4]')}}}",
        f'{{{A},"more":1}}',
        f"[{A}]",
        A,
        "{}",
        "",
    ],
)
def test_anything_else_is_left_to_the_careful_reader(text: str) -> None:
    assert read_compact_header(text.encode(), 4, DTYPE_BITS) is None


def test_names_that_are_no_text_are_left_to_the_careful_reader() -> None:
    assert read_compact_header(f"{{{A}}}".encode().replace(b'"a"', b'"\xff"'), 4, DTYPE_BITS) is None


def test_offsets_that_stand_in_the_place_of_a_name_are_left_to_the_careful_reader() -> None:
    text = b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},:[2,4]}}"b":{"dtype":"U8","shape":[2],"data_offsets"'
    assert read_compact_header(text, 4, DTYPE_BITS) is None
