from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from host.models.errors import MalformedFile, ModelFileError
from host.models.files.header import DTYPE_BITS, HEADER_LIMIT, read_header, read_layout, read_shard_index
from sdk.models import TensorInfo


def raw_file(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: Any = "U8", shape: Any = (4,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_a_header_tells_dtypes_shapes_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(2, 3, dtype=torch.float16), "b": torch.zeros(())}, path, {"note": "x"})
    header = read_header(path)
    assert header.tensors == {"a": TensorInfo("F16", (2, 3)), "b": TensorInfo("F32", ())}
    assert (header.metadata, header.path, header.shape("a"), header.shape("c")) == ({"note": "x"}, path, (2, 3), None)


def test_spans_count_from_the_start_of_the_file(tmp_path: Path) -> None:
    path = raw_file(tmp_path / "a.safetensors", {"a": entry()}, b"abcd")
    start, end = read_layout(path).spans["a"]
    assert path.read_bytes()[start:end] == b"abcd"


def test_tensors_come_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    tensors = {"b": entry("F16", [1], [4, 6]), "mark": entry("U8", [0], [4, 4]), "a": entry()}
    layout = read_layout(raw_file(tmp_path / "a.safetensors", tensors, b"abcdef"))
    assert (list(layout.header.tensors), list(layout.ends)) == (["a", "mark", "b"], [4, 4, 6])


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("metadata", ["plain", json.dumps({"x": 'a "word" \\ {}'})])
def test_metadata_may_stand_anywhere(metadata: str, separators: tuple[str, str], tmp_path: Path) -> None:
    stated = {"__metadata__": {"note": metadata}}
    for number, header in enumerate(({**stated, "a": entry()}, {"a": entry(), **stated})):
        text = json.dumps(header, separators=separators).encode()
        found = read_header(raw_file(tmp_path / f"{number}.safetensors", text, b"abcd"))
        assert (list(found.tensors), found.metadata) == (["a"], {"note": metadata})


def test_an_empty_tensor_is_fine(tmp_path: Path) -> None:
    path = raw_file(tmp_path / "a.safetensors", {"a": entry("F32", [0, 7], [0, 0])})
    assert read_header(path).shape("a") == (0, 7)


HOSTILE_HEADERS: dict[str, tuple[Any, bytes, str]] = {
    "offsets beyond the file (10 TB)": ({"a": entry("U8", [10**13], [0, 10**13])}, b"abcd", "only 4"),
    "overlapping tensors": ({"a": entry(), "b": entry("U8", [4], [2, 6])}, b"abcdef", "overlaps 'a'"),
    "a hole between tensors": ({"a": entry(), "b": entry("U8", [4], [6, 10])}, b"abcdefghij", "2 bytes before"),
    "bytes after the last tensor": ({"a": entry()}, b"abcdPK", "2 bytes at the end"),
    "a span that is not what dtype and shape take": ({"a": entry("F32", [4])}, b"abcd", "not what F32 [4] takes"),
    "a shape whose product overflows": ({"a": entry("U8", [2**40, 2**40])}, b"abcd", "impossible shape"),
    "a shape of zero elements that overflows": ({"a": entry("U8", [0, 2**70], [0, 0])}, b"", "impossible shape"),
    "too many dimensions": ({"a": entry("U8", [1] * 65, [0, 1])}, b"a", "impossible shape"),
    "a negative dimension": ({"a": entry("U8", [-4])}, b"abcd", "impossible shape"),
    "a fractional dimension": ({"a": entry("U8", [4.0])}, b"abcd", "impossible shape"),
    "a boolean dimension": ({"a": entry("U8", [True], [0, 1])}, b"a", "impossible shape"),
    "a shape that is no list": ({"a": entry("U8", "4")}, b"abcd", "impossible shape"),
    "backward offsets": ({"a": entry("U8", [4], [4, 0])}, b"abcd", "impossible offsets"),
    "one offset": ({"a": entry("U8", [4], [4])}, b"abcd", "impossible offsets"),
    "an unknown dtype": ({"a": entry("F12")}, b"abcd", "unknown dtype 'F12'"),
    "a dtype that is no string": ({"a": entry(["F32"])}, b"abcd", "unknown dtype"),
    "a tensor without dtype": ({"a": {"shape": [4], "data_offsets": [0, 4]}}, b"abcd", "lacks dtype"),
    "a tensor that is no object": ({"a": 3}, b"", "lacks dtype"),
    "NaN": (b'{"a": NaN}', b"", "contains NaN"),
    "infinity in a shape": (b'{"a": {"dtype": "U8", "shape": [1e999], "data_offsets": [0, 1]}}', b"a", "impossible"),
    "an integer of 5000 digits": (b'{"a": ' + b"9" * 5000 + b"}", b"", "not valid JSON"),
    "the same key twice": (b'{"a": 1, "b": 2, "a": 3}', b"", "'a' twice"),
    "JSON nested 100000 deep": (b"[" * 100_000, b"", "too deeply"),
    "objects nested 100000 deep": (b'{"a":' * 100_000, b"", "too deeply"),
    "a list instead of an object": (b"[]", b"", "not a JSON object"),
    "no JSON": (b"nonsense", b"", "not valid JSON"),
    "bytes that are not UTF-8": (b'{"\xff": 1}', b"", "not valid JSON"),
    "metadata twice": (
        b'{"__metadata__":{"k":"1"},"__metadata__":{"k":"2"},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
        b"abcd",
        "'__metadata__' twice",
    ),
    "offsets in the place of a name": (
        b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},:[2,4]}}"b":{"dtype":"U8","shape":[2],"data_offsets"',
        b"abcd",
        "not valid JSON",
    ),
    "a key of a tensor twice": (
        b'{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
        b"abcd",
        "'dtype' twice",
    ),
    "metadata that are not strings": ({"__metadata__": {"a": 1}}, b"", "__metadata__"),
    "an empty header": (b"", b"", "not valid JSON"),
}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("case", HOSTILE_HEADERS)
def test_a_hostile_header_is_refused_by_name(case: str, separators: tuple[str, str], tmp_path: Path) -> None:
    header, data, reason = HOSTILE_HEADERS[case]
    text = header if isinstance(header, bytes) else json.dumps(header, separators=separators).encode()
    path = raw_file(tmp_path / "a.safetensors", text, data)
    with pytest.raises(MalformedFile) as caught:
        read_header(path)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"abc", "only 3 bytes"),
        ((10**13).to_bytes(8, "little") + b"{}", "claims a header of 10000000000000 bytes but has only 10"),
        ((2**64 - 1).to_bytes(8, "little"), "claims a header of 18446744073709551615"),
        ((100).to_bytes(8, "little") + b'{"a": ', "claims a header of 100 bytes"),
        (b"PK\x03\x04" + b"\0" * 100, "a file of torch's"),
        (b"\x80\x02cos\nsystem\n(X\x04\0\0\0truetR.", "a file of torch's"),
    ],
)
def test_a_file_that_is_not_safetensors_at_all_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(MalformedFile, match=reason):
        read_header(path)


def test_an_overlong_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write((HEADER_LIMIT + 1).to_bytes(8, "little"))
        file.truncate(HEADER_LIMIT * 2)
    with pytest.raises(MalformedFile, match="at most"):
        read_header(path)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_file({"a": torch.arange(6.0), "b": torch.zeros(2)}, whole)
    content, cut = whole.read_bytes(), tmp_path / "cut.safetensors"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(MalformedFile):
            read_header(cut)


def test_what_is_not_a_regular_file_is_refused_without_opening_it(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "a.safetensors", tmp_path / "pipe.safetensors"
    folder.mkdir()
    os.mkfifo(pipe)
    for path, reason in ((folder, "is a folder"), (pipe, "not a regular"), (tmp_path / "no.safetensors", "No such")):
        with pytest.raises(ModelFileError, match=reason):
            read_header(path)
    with pytest.raises(ModelFileError, match="can't be read"):
        read_header(Path("nul\0.safetensors"))


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200))
def test_random_bytes_are_malformed_or_a_sound_layout(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    path.write_bytes(content)
    check_layout_is_sound(path)


NUMBERS = st.integers(-1, 12) | st.integers() | st.none() | st.floats(allow_nan=False)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["U8", "F16", "F32", "F4", "x"]),
        "shape": st.lists(NUMBERS, max_size=3),
        "data_offsets": st.lists(NUMBERS, max_size=3),
    }
)
JSON = st.recursive(st.none() | st.text(max_size=3) | NUMBERS, lambda inner: st.lists(inner, max_size=3))


@settings(max_examples=300, deadline=None)
@given(header=st.dictionaries(st.text(max_size=3), ENTRIES | JSON, max_size=4), data=st.binary(max_size=16))
def test_random_headers_are_malformed_or_a_sound_layout(
    header: dict[str, Any], data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = raw_file(tmp_path_factory.getbasetemp() / "fuzz.safetensors", header, data)
    check_layout_is_sound(path)


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_file_with_one_wrong_byte_is_malformed_or_a_sound_layout(
    position: int, byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    save_file({"a": torch.arange(6.0), "b": torch.zeros(2, 3, dtype=torch.float16)}, path, {"note": "x"})
    content = bytearray(path.read_bytes())
    content[position % len(content)] = byte
    path.write_bytes(content)
    check_layout_is_sound(path)


def check_layout_is_sound(path: Path) -> None:
    try:
        layout = read_layout(path)
    except MalformedFile:
        return
    position = 0
    for name, (start, end) in sorted(layout.spans.items(), key=lambda item: item[1]):
        info = layout.header.tensors[name]
        assert (end - start) * 8 == math.prod(info.shape) * DTYPE_BITS[info.dtype]
        assert start >= position
        position = end
    assert position <= path.stat().st_size


@pytest.mark.parametrize("shard", ["../a.safetensors", "/etc/passwd", "sub\\a", "..", "", 3, None])
def test_a_shard_index_may_only_name_files_beside_it(shard: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(MalformedFile, match="not the name of a file beside it"):
        read_shard_index(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "[" * 100_000])
def test_a_shard_index_without_shards_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(content)
    with pytest.raises(MalformedFile):
        read_shard_index(path)
