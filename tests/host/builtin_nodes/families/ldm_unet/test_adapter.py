from __future__ import annotations

from typing import Any

import torch

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.ldm_unet.adapter import UnetDenoiser
from host.builtin_nodes.sampling.parametrisation import discrete

LATENT = torch.arange(2 * 4 * 4 * 6, dtype=torch.float32).reshape(2, 4, 4, 6) / 100
MASK = torch.zeros(1, 32, 48)
MASK[:, :, 24:] = 1


def _adapter(channels: int, **options: Any) -> UnetDenoiser:
    return UnetDenoiser(channels, discrete(), LatentFormat(channels=4, scale=0.18215), **options)


def test_the_plain_model_takes_nothing_more() -> None:
    assert _adapter(4).inputs({"concat_latent_image": LATENT}, LATENT, MASK) == {}


def test_the_editing_model_takes_the_unscaled_image() -> None:
    found = _adapter(8).inputs({"concat_latent_image": LATENT[:1]}, LATENT, None)["concat"]
    torch.testing.assert_close(found, LATENT[:1].repeat(2, 1, 1, 1), atol=0, rtol=0)


def test_an_editing_model_may_have_been_trained_on_the_scaled_image() -> None:
    found = _adapter(8, scaled_edit=True).inputs({"concat_latent_image": LATENT}, LATENT, None)["concat"]
    torch.testing.assert_close(found, LATENT * 0.18215)


def test_a_vector_goes_in_beside_further_channels() -> None:
    adapter = _adapter(8, vector=lambda options, latent: {"vector": options["pooled_output"]})
    assert set(adapter.inputs({"pooled_output": LATENT}, LATENT, None)) == {"vector", "concat"}


def test_the_editing_model_takes_zeros_where_there_is_no_image() -> None:
    assert not _adapter(8).inputs({}, LATENT, None)["concat"].any()


def test_inpainting_takes_mask_and_scaled_image() -> None:
    found = _adapter(9).inputs({"concat_latent_image": LATENT, "concat_mask": MASK}, LATENT, None)["concat"]
    assert found.shape == (2, 5, 4, 6)
    assert found[:, 0, :, :3].eq(0).all()
    assert found[:, 0, :, 3:].eq(1).all()
    torch.testing.assert_close(found[:, 1:], LATENT * 0.18215)


def test_inpainting_falls_back_on_the_runs_mask_and_latent() -> None:
    found = _adapter(9).inputs({}, LATENT, MASK)["concat"]
    torch.testing.assert_close(found[:, 1:], LATENT, atol=0, rtol=0)


def test_inpainting_without_any_mask_repaints_a_grey_image() -> None:
    found = _adapter(9).inputs({"concat_latent_image": LATENT}, LATENT, None)["concat"]
    assert found[:, 0].eq(1).all()
    assert found[:, 1:].std(dim=(-1, -2)).max() == 0
