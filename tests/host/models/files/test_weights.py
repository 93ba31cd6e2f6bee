from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from host.models.errors import MalformedFile, ModelFileError
from host.models.files.header import read_layout
from host.models.files.weights import TORCH_DTYPES, LazyTensors, MappedFile, open_weights
from tests.host.models.files.test_header import entry, raw_file


def test_tensors_are_those_of_the_file_in_every_dtype(tmp_path: Path) -> None:
    dtypes = [dtype for dtype in TORCH_DTYPES.values() if dtype.is_floating_point and dtype.itemsize > 1]
    written = {str(dtype): torch.randn(3, 5).to(dtype) for dtype in dtypes}
    written |= {
        "bool": torch.tensor([True, False]),
        "i64": torch.arange(4),
        "fp8": torch.ones(4).to(torch.float8_e4m3fn),
    }
    save_file(written, tmp_path / "a.safetensors")
    file = open_weights(tmp_path / "a.safetensors")
    for key, tensor in written.items():
        assert file.tensor(key).dtype == tensor.dtype
        assert torch.equal(file.tensor(key).view(torch.uint8), tensor.view(torch.uint8))


def test_tensors_are_views_of_one_mapping(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1024)}, tmp_path / "a.safetensors")
    file = open_weights(tmp_path / "a.safetensors")
    assert file.tensor("a").data_ptr() == file.tensor("a").data_ptr()


def test_writing_to_a_tensor_never_reaches_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1024)}, path)
    before = path.read_bytes()
    open_weights(path).tensor("a").fill_(1)
    assert path.read_bytes() == before


def test_tensors_outlive_the_file_object_and_its_release(tmp_path: Path) -> None:
    save_file({"a": torch.arange(10_000.0)}, tmp_path / "a.safetensors")
    file = open_weights(tmp_path / "a.safetensors")
    tensor = file.tensor("a")
    file.release("a")
    del file
    assert tensor.sum() == torch.arange(10_000.0).sum()


def test_prefetching_reads_a_tensor_and_changes_nothing(tmp_path: Path) -> None:
    save_file({"a": torch.arange(10_000.0), "b": torch.ones(0)}, tmp_path / "a.safetensors")
    file = open_weights(tmp_path / "a.safetensors")
    file.prefetch("a")
    file.prefetch("b")
    file.prefetch("b", "a")
    assert torch.equal(file.tensor("a"), torch.arange(10_000.0))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says that a mapped page can't be read; run there")
def test_a_file_truncated_after_it_was_mapped_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(10_000)}, path)
    file = open_weights(path)
    file.tensor("a")
    with path.open("r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(ModelFileError, match="can't be read"):
        file.prefetch("a")


def test_unaligned_and_empty_tensors_can_be_read(tmp_path: Path) -> None:
    path = raw_file(
        tmp_path / "a.safetensors",
        {"a": entry("U8", [1], [0, 1]), "b": entry("F32", [1], [1, 5]), "c": entry("F32", [0, 2], [5, 5])},
        b"\x07" + b"\0\0\x80\x3f",
    )
    file = open_weights(path)
    assert [file.tensor(key).tolist() for key in "abc"] == [[7], [1.0], []]


def test_a_dtype_torch_lacks_is_named(tmp_path: Path) -> None:
    path = raw_file(tmp_path / "a.safetensors", {"a": entry("F6_E2M3", [4], [0, 3])}, b"abc")
    with pytest.raises(ModelFileError, match="dtype F6_E2M3"):
        open_weights(path).tensor("a")


def test_a_file_truncated_after_its_header_was_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1024)}, path)
    file = MappedFile(read_layout(path))
    with path.open("r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(MalformedFile, match="truncated since"):
        file.tensor("a")


def test_shards_make_one_model(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "m-1.safetensors", {"one": "1"})
    save_file({"b": torch.zeros(3)}, tmp_path / "m-2.safetensors")
    index = tmp_path / "m.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}))
    file = open_weights(index)
    assert (file.header.shape("b"), file.header.metadata) == ((3,), {"one": "1"})
    assert file.tensor("a").tolist() == [1, 1]
    file.release("a")


def test_a_shard_that_lacks_its_tensor_is_named(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "m-1.safetensors")
    index = tmp_path / "m.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"b": "m-1.safetensors"}}))
    with pytest.raises(MalformedFile, match=r"'b' into 'm-1\.safetensors'"):
        open_weights(index)


def test_a_suffix_no_model_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"suffix '\.pkl'"):
        open_weights(tmp_path / "a.pkl")


def test_lazy_tensors_are_a_mapping(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    tensors = LazyTensors(open_weights(tmp_path / "a.safetensors"))
    assert (len(tensors), list(tensors), "a" in tensors, "b" in tensors) == (1, ["a"], True, False)
    assert tensors.get("b") is None
    assert tensors["a"].tolist() == [1, 1]


@pytest.mark.parametrize("rest", [None, 0, 20])
def test_a_file_that_went_or_shrank_after_its_header_was_read_is_refused(rest: int | None, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1024)}, path)
    file = open_weights(path)
    if rest is None:
        path.unlink()
    else:
        os.truncate(path, rest)
    for _ in range(2):
        with pytest.raises(ModelFileError, match=r"a\.safetensors"):
            file.tensor("a")
