from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.images.blending import image_blend
from host.builtin_nodes.images.colours import image_yuv_to_rgb
from host.builtin_nodes.images.errors import UnfitImage
from host.builtin_nodes.images.filters import filtered, gaussian, image_blur
from host.builtin_nodes.masks.channels import mask_to_image
from sdk import NodeError


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


@pytest.mark.parametrize("shape", [(1, 4, 3, 9), (1, 4, 9, 3), (1, 4, 2, 9, 9)])
def test_a_radius_beyond_the_picture_and_a_video_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(NodeError, match="radius of 3"):
        filtered(torch.zeros(shape), gaussian(3, 1.0))


def test_pictures_that_do_not_go_together_are_named_by_their_shapes() -> None:
    small = torch.zeros(1, 4, 4, 3)
    with pytest.raises(UnfitImage, match="as large as the one for Y"):
        image_yuv_to_rgb(torch.zeros(1, 5, 5, 3), small, small)


def test_a_blend_has_alpha_if_the_lower_picture_has() -> None:
    opaque, clear = torch.zeros(1, 4, 4, 3), torch.zeros(1, 4, 4, 4)
    assert torch.equal(image_blend(opaque, clear, 0.5, blend_mode="normal"), opaque)
    blended = image_blend(clear, opaque, 0.5, blend_mode="normal")
    assert blended.shape == clear.shape
    assert torch.equal(blended[..., 3], torch.full((1, 4, 4), 0.5))


def test_an_empty_mask_is_an_empty_picture() -> None:
    assert mask_to_image(torch.zeros(2, 0, 7)).shape == (2, 0, 7, 3)
