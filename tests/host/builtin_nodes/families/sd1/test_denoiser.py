from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.families.sd1.denoiser import Sd1Denoiser, sd1_denoiser

LATENT = torch.arange(2 * 4 * 4 * 6, dtype=torch.float32).reshape(2, 4, 4, 6) / 100
MASK = torch.zeros(1, 32, 48)
MASK[:, :, 24:] = 1


def _adapter(channels: int) -> Sd1Denoiser:
    return sd1_denoiser(channels, "eps", zero_snr=False)


def test_the_plain_model_takes_nothing_more() -> None:
    assert _adapter(4).inputs({"concat_latent_image": LATENT}, LATENT, MASK) == {}


def test_the_editing_model_takes_the_unscaled_image() -> None:
    found = _adapter(8).inputs({"concat_latent_image": LATENT[:1]}, LATENT, None)["concat"]
    torch.testing.assert_close(found, LATENT[:1].repeat(2, 1, 1, 1), atol=0, rtol=0)


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


@pytest.mark.parametrize(("prediction", "at_highest"), [("eps", 0.0), ("v", 1.0)])
def test_prediction_decides_how_the_output_is_read(prediction: str, at_highest: float) -> None:
    parametrisation = sd1_denoiser(4, prediction, zero_snr=False).parametrisation
    x, sigma = torch.full((1, 4, 2, 2), 2.0), torch.tensor(1.0)
    found = parametrisation.denoised(sigma, torch.zeros_like(x), x)
    torch.testing.assert_close(found, x - x / 2 * at_highest)


def test_zero_terminal_snr_changes_the_highest_level() -> None:
    plain, rescaled = (sd1_denoiser(4, "v", zero_snr=zero).parametrisation.sigma_max for zero in (False, True))
    assert plain == pytest.approx(14.6146, abs=1e-3)
    assert rescaled > 1000
