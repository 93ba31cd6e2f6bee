from __future__ import annotations

import torch

from host.builtin_nodes.images.making import empty_image, image_invert, solid_mask


def test_a_colour_is_one_number_of_three_bytes() -> None:
    image = empty_image(width=3, height=2, batch_size=4, color=0xFF3300)
    assert image.shape == (4, 2, 3, 3)
    torch.testing.assert_close(image[3, 1, 2], torch.tensor([1.0, 0.2, 0.0]))


def test_pictures_of_a_batch_do_not_share_memory() -> None:
    image = empty_image(width=1, height=1, batch_size=2)
    image[0] = 1.0
    assert image[1].max() == 0.0


def test_a_solid_mask_has_one_value() -> None:
    assert torch.equal(solid_mask(0.25, 3, 2), torch.full((1, 2, 3), 0.25))


def test_inverting_twice_changes_nothing() -> None:
    image = torch.rand(1, 2, 2, 4).round(decimals=1)
    torch.testing.assert_close(image_invert(image_invert(image)), image)
    assert image_invert(torch.ones(1, 1, 1, 3)).max() == 0.0
