from __future__ import annotations

import torch

from host.builtin_nodes.images.filters import gaussian, image_blur


def test_the_kernel_is_a_symmetric_gaussian_of_weight_one() -> None:
    kernel = gaussian(2, 0.5)
    torch.testing.assert_close(kernel.sum(), torch.tensor(1.0))
    assert torch.equal(kernel, kernel.T)
    # Two pixels from the middle is distance 1, so two standard deviations.
    torch.testing.assert_close(kernel[2, 4] / kernel[2, 2], torch.tensor(-2.0).exp())


def test_a_point_is_blurred_into_the_kernel() -> None:
    image = torch.zeros(1, 9, 9, 3)
    image[0, 4, 4] = 1.0
    out = image_blur(image, 2, 0.7)
    torch.testing.assert_close(out[0, 2:7, 2:7, 1], gaussian(2, 0.7))


def test_a_flat_picture_stays_flat_up_to_its_borders() -> None:
    image = torch.full((2, 8, 8, 4), 0.5)
    torch.testing.assert_close(image_blur(image, 3, 1.0), image)
