from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.images.blending import image_blend
from host.builtin_nodes.images.colours import image_yuv_to_rgb
from host.builtin_nodes.images.errors import UnfitImage
from host.builtin_nodes.images.filters import blurred, gaussian, image_blur, image_sharpen
from host.builtin_nodes.masks.channels import mask_to_image
from sdk import NodeError


def square(radius: int, sigma: float) -> torch.Tensor:
    """The Gaussian as a kernel of two dimensions, by its definition, in double precision."""
    steps = torch.linspace(-1, 1, 2 * radius + 1, dtype=torch.float64)
    weights = torch.exp(-(steps[:, None] ** 2 + steps[None, :] ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def filtered(images: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Pictures convolved with a square kernel, in double precision; borders are mirrored."""
    samples = images.double().movedim(-1, 1)
    padded = torch.nn.functional.pad(samples, (len(kernel) // 2,) * 4, mode="reflect")
    weights = kernel.expand(samples.shape[1], 1, -1, -1)
    return torch.nn.functional.conv2d(padded, weights, groups=samples.shape[1]).movedim(1, -1)


def test_the_kernel_is_a_symmetric_gaussian_of_weight_one() -> None:
    kernel = gaussian(2, 0.5)
    torch.testing.assert_close(kernel.sum(), torch.tensor(1.0))
    assert torch.equal(kernel, kernel.flip(0))
    # Two pixels from the middle is distance 1, so two standard deviations.
    torch.testing.assert_close(kernel[4] / kernel[2], torch.tensor(-2.0).exp())


def test_a_point_is_blurred_into_the_kernel() -> None:
    image = torch.zeros(1, 9, 9, 3)
    image[0, 4, 4] = 1.0
    out = image_blur(image, 2, 0.7)
    torch.testing.assert_close(out[0, 2:7, 2:7, 1], square(2, 0.7).float())


@pytest.mark.parametrize(("radius", "sigma"), [(1, 0.1), (5, 10.0), (31, 1.0)])
def test_blurring_and_sharpening_are_convolutions(radius: int, sigma: float) -> None:
    image = torch.rand(2, 33, 40, 4, generator=torch.Generator().manual_seed(5))
    kernel = square(radius, sigma)
    torch.testing.assert_close(image_blur(image, radius, sigma), filtered(image, kernel).float(), atol=1e-6, rtol=0)
    unsharp = -30.0 * kernel
    unsharp[radius, radius] += 31.0
    expected = filtered(image, unsharp).clamp(0, 1).float()
    torch.testing.assert_close(image_sharpen(image, radius, sigma, 3.0), expected, atol=2e-5, rtol=0)


def test_half_precision_keeps_its_type_and_is_computed_in_single() -> None:
    image = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(6))
    out = image_blur(image.half(), 31, 1.0)
    assert out.dtype == torch.float16
    assert torch.equal(out, image_blur(image.half().float(), 31, 1.0).half())


def test_a_radius_or_a_strength_of_zero_changes_nothing() -> None:
    image = torch.rand(1, 8, 8, 3)
    assert torch.equal(image_blur(image, 0, 1.0), image)
    assert torch.equal(image_sharpen(image, 0, 1.0, 1.0), image)
    assert torch.equal(image_sharpen(image, 3, 1.0, 0.0), image)


def test_a_flat_picture_stays_flat_up_to_its_borders() -> None:
    image = torch.full((2, 8, 8, 4), 0.5)
    torch.testing.assert_close(image_blur(image, 3, 1.0), image)


@pytest.mark.parametrize("shape", [(1, 4, 3, 9), (1, 4, 9, 3), (1, 4, 2, 9, 9)])
def test_a_radius_beyond_the_picture_and_a_video_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(NodeError, match="radius of 3"):
        blurred(torch.zeros(shape), 3, 1.0)


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan")])
def test_a_gaussian_without_width_is_refused(sigma: float) -> None:
    with pytest.raises(NodeError, match="sigma must be above 0"):
        image_blur(torch.rand(1, 8, 8, 3), 2, sigma)


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
