from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from host.builtin_nodes.families.kl_vae.adapter import KlVaeAdapter, crop_to_multiple
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.module import build_vae
from sdk import NodeError

CONFIG = KlVaeConfig(latent_channels=4, channels=[32, 32], layers=1, quantised=True)


@pytest.fixture(scope="module")
def vae() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_vae(CONFIG)


@pytest.mark.parametrize(("size", "start", "kept"), [(8, 0, 8), (11, 1, 8), (17, 0, 16), (23, 3, 16)])
def test_sides_are_cropped_around_the_centre(size: int, start: int, kept: int) -> None:
    pixels = torch.arange(size, dtype=torch.float32)[None, :, None, None].expand(1, size, 8, 3)
    found = crop_to_multiple(pixels, 8)
    assert found[0, :, 0, 0].tolist() == list(range(start, start + kept))


def test_images_come_back_in_their_size_and_range(vae: torch.nn.Module) -> None:
    adapter = KlVaeAdapter(CONFIG.latent_channels, CONFIG.downscale)
    latents = adapter.encode(vae, torch.rand(2, 16, 24, 3))
    assert latents.shape == (2, 4, 8, 12)
    images = adapter.decode(vae, latents * 10)
    assert images.shape == (2, 16, 24, 3)
    assert (images.min() >= 0, images.max() <= 1) == (True, True)


def test_transparency_is_left_out(vae: torch.nn.Module) -> None:
    adapter = KlVaeAdapter(CONFIG.latent_channels, CONFIG.downscale)
    pixels = torch.rand(1, 8, 8, 4)
    torch.testing.assert_close(adapter.encode(vae, pixels), adapter.encode(vae, pixels[..., :3]), atol=0, rtol=0)


def test_an_image_of_one_tile_is_the_same_in_tiles(vae: torch.nn.Module) -> None:
    adapter = KlVaeAdapter(CONFIG.latent_channels, CONFIG.downscale)
    pixels = torch.rand(1, 8, 8, 3)
    latents = adapter.encode(vae, pixels)
    torch.testing.assert_close(adapter.encode_tiled(vae, pixels, tile=32, overlap=8), latents)
    whole = adapter.decode(vae, latents)
    torch.testing.assert_close(adapter.decode_tiled(vae, latents, tile=16, overlap=4), whole)


class Averaging(torch.nn.Module):
    """Encodes each cell by its mean: what an encoder without surroundings would do."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def encode(self, images: Tensor) -> Any:
        assert all(side % 8 == 0 for side in images.shape[-2:])
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=avg_pool2d(images, 8)))


@pytest.mark.parametrize(("tile", "overlap"), [(64, 0), (64, 31), (65, 32), (100, 20), (100, 49), (8, 3)])
def test_tiles_of_any_size_are_made_of_whole_cells(tile: int, overlap: int) -> None:
    pixels = torch.rand(1, 200, 136, 3)
    adapter = KlVaeAdapter(latent_channels=3, downscale=8)
    expected = adapter.encode(Averaging(), pixels)
    torch.testing.assert_close(adapter.encode_tiled(Averaging(), pixels, tile=tile, overlap=overlap), expected)


@pytest.mark.parametrize("shape", [(1, 4, 64, 3), (1, 64, 7, 3), (1, 64, 64, 1)])
def test_an_image_that_is_too_small_or_has_no_colours_is_refused(shape: tuple[int, ...]) -> None:
    adapter = KlVaeAdapter(latent_channels=3, downscale=8)
    with pytest.raises(NodeError, match="can't be encoded"):
        adapter.encode(Averaging(), torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 16, 8, 8), (1, 4, 2, 8, 8)])
def test_a_latent_of_another_kind_is_refused(shape: tuple[int, ...], vae: torch.nn.Module) -> None:
    adapter = KlVaeAdapter(CONFIG.latent_channels, CONFIG.downscale)
    with pytest.raises(NodeError, match="belongs to the model"):
        adapter.decode(vae, torch.zeros(shape))
    with pytest.raises(NodeError, match="belongs to the model"):
        adapter.decode_tiled(vae, torch.zeros(shape), tile=8, overlap=2)
