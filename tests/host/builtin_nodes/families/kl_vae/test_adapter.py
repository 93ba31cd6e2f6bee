from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.families.kl_vae.adapter import KlVaeAdapter, crop_to_multiple
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.module import build_vae

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
