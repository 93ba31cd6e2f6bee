"""GGUF files against what the gguf package itself makes of them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from host.models.errors import MalformedFile
from host.models.files.gguf_file import GgufFile
from host.models.files.header import read_header
from host.models.files.weights import open_weights

KINDS = ("Q8_0", "Q4_0", "Q5_1")
WEIGHT = np.random.default_rng(0).standard_normal((6, 64)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(path, "flux")
    writer.add_string("general.name", "small")
    for kind in KINDS:
        quantised = gguf.quants.quantize(WEIGHT, gguf.GGMLQuantizationType[kind])
        writer.add_tensor(f"{kind}.weight", quantised, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.add_tensor("plain.weight", WEIGHT)
    writer.add_tensor("half.weight", WEIGHT.astype(np.float16))
    writer.add_tensor("flattened.weight", WEIGHT.reshape(2, 3, 64).reshape(-1, 64))
    writer.add_array("comfy.gguf.orig_shape.flattened.weight", [2, 3, 64])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_names_shapes_and_metadata_are_the_file_s(path: Path) -> None:
    header = read_header(path)
    assert header.metadata["general.architecture"] == "flux"
    assert {key: (info.dtype, info.shape) for key, info in header.tensors.items()} == {
        **{f"{kind}.weight": ("BF16", (6, 64)) for kind in KINDS},
        "plain.weight": ("F32", (6, 64)),
        "half.weight": ("F16", (6, 64)),
        "flattened.weight": ("F32", (2, 3, 64)),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_few_bits_are_widened(kind: str, path: Path) -> None:
    quantised = gguf.quants.quantize(WEIGHT, gguf.GGMLQuantizationType[kind])
    expected = gguf.quants.dequantize(quantised, gguf.GGMLQuantizationType[kind])

    found = open_weights(path).tensor(f"{kind}.weight")
    assert torch.equal(found, torch.from_numpy(expected))
    assert (found - torch.from_numpy(WEIGHT)).abs().max() < {"Q8_0": 0.02, "Q4_0": 0.4, "Q5_1": 0.2}[kind]


def test_plain_numbers_and_flattened_weights_come_back_as_they_were(path: Path) -> None:
    file = GgufFile(path)
    assert torch.equal(file.tensor("plain.weight"), torch.from_numpy(WEIGHT))
    assert torch.equal(file.tensor("half.weight"), torch.from_numpy(WEIGHT.astype(np.float16)))
    assert torch.equal(file.tensor("flattened.weight"), torch.from_numpy(WEIGHT.reshape(2, 3, 64)))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all, but long enough for a header"])
def test_what_is_no_gguf_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(MalformedFile, match=r"broken\.gguf"):
        GgufFile(path)


def test_a_file_that_was_cut_off_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(MalformedFile):
        GgufFile(path)


def written(path: Path, kind: str, shape: list[int] | None = None, name: str = "odd.weight") -> Path:
    """A file with one tensor of blocks that are all zeros."""
    type_ = gguf.GGMLQuantizationType[kind]
    numbers, size = gguf.GGML_QUANT_SIZES[type_]
    writer = gguf.GGUFWriter(path, "flux")
    writer.add_tensor(name, np.zeros((2, 256 // numbers * size), dtype=np.uint8), raw_dtype=type_)
    if shape is not None:
        writer.add_array(f"comfy.gguf.orig_shape.{name}", shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_rare_blocks_are_left_to_the_package(tmp_path: Path) -> None:
    file = GgufFile(written(tmp_path / "rare.gguf", "IQ4_NL"))
    assert torch.equal(file.tensor("odd.weight"), torch.zeros(2, 256))


def test_blocks_that_nobody_widens_are_refused_before_any_is_used(tmp_path: Path) -> None:
    file = GgufFile(written(tmp_path / "new.gguf", "Q8_1"))
    with pytest.raises(MalformedFile, match="Q8_1, which can't be widened"):
        file.packed("odd.weight")


def test_a_shape_that_the_numbers_do_not_fill_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedFile, match=r"'odd\.weight' a shape"):
        GgufFile(written(tmp_path / "wrong.gguf", "Q8_0", [3, 256]))


def test_rows_that_begin_within_a_block_are_cut_from_the_widened_whole(tmp_path: Path) -> None:
    file = GgufFile(written(tmp_path / "conv.gguf", "Q8_0", [16, 2, 4, 4]))
    packed = file.packed("odd.weight")
    assert packed is not None
    assert packed.by_rows
    file = GgufFile(written(tmp_path / "small.gguf", "Q8_0", [32, 1, 4, 4]))
    packed = file.packed("odd.weight")
    assert packed is not None
    assert not packed.by_rows
    assert file.tensor("odd.weight").shape == (32, 1, 4, 4)
