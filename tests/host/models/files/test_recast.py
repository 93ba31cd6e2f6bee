"""Weights that modules get in another form than the file has them in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from host.models.errors import ModelFileError
from host.models.files.header import read_header
from host.models.files.recast import RoundedFile, with_scales_applied
from host.models.files.weights import open_weights
from tests.support.weight_files import InMemory

FP8 = torch.float8_e4m3fn


def test_weights_of_eight_bits_are_multiplied_by_their_scales_without_loss() -> None:
    weight = torch.randn(4, 3).to(FP8)
    scale = torch.tensor(0.1234567)
    rows = torch.rand(4)
    file = with_scales_applied(
        InMemory(
            {
                "a.weight": weight,
                "a.scale_weight": scale,
                "a.scale_input": torch.tensor(2.0),
                "b.weight": weight,
                "b.weight_scale": rows,
                "c.weight": weight,
                "a.bias": torch.ones(4),
                "a.comfy_quant": torch.zeros(9, dtype=torch.uint8),
                "scaled_fp8": torch.empty(0, dtype=FP8),
            }
        )
    )

    assert sorted(file.header.tensors) == ["a.bias", "a.weight", "b.weight", "c.weight"]
    assert {key: info.dtype for key, info in file.header.tensors.items()}["a.weight"] == "BF16"
    assert torch.equal(file.tensor("a.weight"), weight.float() * scale)
    assert torch.equal(file.tensor("b.weight"), weight.float() * rows[:, None])
    assert torch.equal(file.tensor("c.weight").float(), weight.float())
    assert (file.maps("a.weight"), file.maps("c.weight")) == (False, True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_layers_that_were_left_wider_are_multiplied_by_their_scales_as_well(dtype: torch.dtype) -> None:
    weight = torch.randn(4, 3).to(dtype)
    stored = InMemory({"a.weight": weight, "a.scale_weight": torch.tensor(0.25), "a.bias": torch.ones(4)})
    file = with_scales_applied(stored)

    assert file.header.tensors == {key: stored.header.tensors[key] for key in ("a.weight", "a.bias")}
    assert "quantisation" not in file.header.metadata
    assert torch.equal(file.tensor("a.weight"), weight.float() * 0.25)


def test_the_mark_of_scaled_files_is_left_out_where_nothing_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "marked.safetensors"
    save_file({"a.weight": torch.ones(4, 6).to(FP8), "scaled_fp8": torch.empty(0, dtype=FP8)}, path)
    assert list(open_weights(path).header.tensors) == ["a.weight"]
    assert read_header(path) == open_weights(path).header


@pytest.mark.parametrize("shape", [(2, 3), (3,), (4, 1, 2)])
def test_scales_of_blocks_are_refused_instead_of_being_misread(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "blocks.safetensors"
    save_file({"a.weight": torch.ones(4, 6).to(FP8), "a.weight_scale": torch.ones(shape)}, path)
    for read in (open_weights, read_header):
        with pytest.raises(ModelFileError, match=r"'a\.weight' with \d factors, for blocks"):
            read(path)


def test_a_header_that_is_only_read_is_the_one_of_the_opened_file(tmp_path: Path) -> None:
    path = tmp_path / "scaled.safetensors"
    tensors = {"a.weight": torch.ones(4, 6).to(FP8), "a.scale_weight": torch.ones(4, 1), "a.bias": torch.ones(4)}
    save_file(tensors, path)
    assert read_header(path) == open_weights(path).header
    assert sorted(read_header(path).tensors) == ["a.bias", "a.weight"]


def test_a_file_without_scales_stays_as_it_is() -> None:
    file = InMemory({"a.weight": torch.ones(2, 2).to(FP8), "b.scale_weight": torch.tensor(2.0)})
    assert with_scales_applied(file) is file


@pytest.mark.parametrize(("name", "dtype"), [("F8_E4M3", FP8), ("F8_E5M2", torch.float8_e5m2)])
def test_weights_are_rounded_and_whole_numbers_are_not(name: str, dtype: torch.dtype) -> None:
    weight, numbers = torch.randn(3, 3), torch.arange(3)
    file = RoundedFile(InMemory({"weight": weight, "half": weight.half()}), name)

    assert {info.dtype for info in file.header.tensors.values()} == {name}
    assert torch.equal(file.tensor("weight").float(), weight.to(dtype).float())
    assert numbers.dtype == torch.int64


def test_a_dtype_that_torch_does_not_have_is_refused() -> None:
    with pytest.raises(ModelFileError, match="F7"):
        RoundedFile(InMemory({"weight": torch.ones(1)}), "F7")


def test_scales_in_a_real_file_are_applied_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "scaled.safetensors"
    save_file({"a.weight": torch.full((2, 2), 2.0).to(FP8), "a.scale_weight": torch.tensor(3.0)}, path)
    assert open_weights(path).tensor("a.weight").tolist() == [[6.0, 6.0], [6.0, 6.0]]
