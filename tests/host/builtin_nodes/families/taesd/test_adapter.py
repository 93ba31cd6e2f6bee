"""Tiny autoencoders: whole, halved, and in diffusers' names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from host.builtin_nodes.families.taesd.layout import TinyVaeLayout
from host.builtin_nodes.families.taesd.module import build_tiny_vae
from host.builtin_nodes.families.taesd.plugin import TinyVaeFamily
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk import NodeError

LAYOUT = TinyVaeLayout(halves={"encoder": "", "decoder": ""}, diffusers=True, latent_channels=4, scale=1.0, shift=0.0)


@pytest.fixture
def manager(tmp_path: Path) -> ModelManager:
    torch.manual_seed(0)
    weights = build_tiny_vae(LAYOUT).state_dict()
    save_file(weights, tmp_path / "whole.safetensors")
    decoder = {name.removeprefix("decoder.layers."): tensor for name, tensor in weights.items() if "decoder" in name}
    # The original counts the clamp before the first layer.
    counted = {f"{int(name.partition('.')[0]) + 1}.{name.partition('.')[2]}": value for name, value in decoder.items()}
    save_file(counted, tmp_path / "taesd_decoder.safetensors")
    save_file(counted, tmp_path / "unheard_of.safetensors")
    return ModelManager(Library([tmp_path]), [TinyVaeFamily()], [], CpuDevice())


def test_a_decoder_alone_decodes_as_the_whole_does_in_the_latents_its_name_tells(
    manager: ModelManager, tmp_path: Path
) -> None:
    whole = manager.open(tmp_path / "whole.safetensors")["vae"]
    half = manager.open(tmp_path / "taesd_decoder.safetensors")["vae"]
    latent = torch.randn(1, 4, 3, 5)
    with manager.borrow(whole) as module:
        expected = whole.adapter.decode(module, latent)
    with manager.borrow(half) as module:
        torch.testing.assert_close(half.adapter.decode(module, latent / 0.18215), expected)

    assert expected.shape == (1, 24, 40, 3)
    assert manager.open(tmp_path / "unheard_of.safetensors")["vae"].adapter.scale == 1.0


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("my-taesdxl.safetensors", 0.13025),
        ("TAESDXL/model.safetensors", 0.13025),
        ("taesdxl/taesd_decoder_fp16.safetensors", 0.18215),
    ],
)
def test_the_name_of_the_file_or_else_of_its_folder_tells_the_latents(
    manager: ModelManager, tmp_path: Path, name: str, scale: float
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    shutil.copy(tmp_path / "unheard_of.safetensors", path)
    assert manager.open(path)["vae"].adapter.scale == scale


def test_what_a_half_can_t_do_it_says(manager: ModelManager, tmp_path: Path) -> None:
    half = manager.open(tmp_path / "taesd_decoder.safetensors")["vae"]
    with manager.borrow(half) as module, pytest.raises(NodeError, match="has no encoder"):
        half.adapter.encode(module, torch.zeros(1, 16, 16, 3))


def test_an_image_is_encoded_in_cells_of_eight_pixels_also_in_tiles(manager: ModelManager, tmp_path: Path) -> None:
    whole = manager.open(tmp_path / "whole.safetensors")["vae"]
    with manager.borrow(whole) as module:
        assert whole.adapter.encode(module, torch.rand(2, 17, 24, 3)).shape == (2, 4, 2, 3)
        tiled = whole.adapter.encode_tiled(module, torch.rand(1, 96, 96, 3), tile=64, overlap=16)
    assert tiled.shape == (1, 4, 12, 12)
