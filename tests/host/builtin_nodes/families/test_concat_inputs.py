from __future__ import annotations

import torch

from host.builtin_nodes.families.concat_inputs import fit_batch, fit_latent, fit_mask

LATENT = torch.zeros(3, 4, 4, 6)


def test_an_image_that_fits_is_left_alone() -> None:
    image = torch.rand(3, 4, 4, 6)
    torch.testing.assert_close(fit_latent(image, LATENT), image, atol=0, rtol=0)


def test_an_image_of_other_proportions_is_cropped_and_resized() -> None:
    image = torch.zeros(1, 4, 8, 18)
    image[..., 3:15] = 1
    assert fit_latent(image, LATENT).shape == LATENT.shape
    assert fit_latent(image, LATENT).min() == 1


def test_masks_of_any_form_get_one_channel() -> None:
    for mask in (torch.ones(32, 48), torch.ones(1, 32, 48), torch.ones(3, 1, 32, 48)):
        found = fit_mask(mask, LATENT)
        assert found.shape == (3, 1, 4, 6)
        assert found.eq(1).all()


def test_a_batch_is_repeated_from_its_start() -> None:
    assert fit_batch(torch.tensor([[1.0], [2.0]]), 5).flatten().tolist() == [1, 2, 1, 2, 1]
