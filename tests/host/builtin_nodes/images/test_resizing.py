from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.images.resizing import image_scale, image_scale_by

IMAGE = torch.rand(2, 4, 8, 3)


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(6, 5, (2, 5, 6, 3)), (0, 2, (2, 2, 4, 3)), (16, 0, (2, 8, 16, 3)), (0, 0, (2, 4, 8, 3))],
)
def test_pictures_get_the_size_asked_for(width: int, height: int, shape: tuple[int, ...]) -> None:
    out = image_scale(IMAGE, upscale_method="bilinear", width=width, height=height, crop="disabled")
    assert out.shape == shape


def test_cropping_keeps_proportions() -> None:
    out = image_scale(IMAGE, upscale_method="nearest-exact", width=4, height=4, crop="center")
    assert torch.equal(out, IMAGE[:, :, 2:6])


@pytest.mark.parametrize(("factor", "shape"), [(2.0, (2, 8, 16, 3)), (0.01, (2, 1, 1, 3)), (1.0, (2, 4, 8, 3))])
def test_a_factor_scales_both_sides(factor: float, shape: tuple[int, ...]) -> None:
    assert image_scale_by(IMAGE, "nearest-exact", factor).shape == shape


def test_factor_one_changes_nothing() -> None:
    assert torch.equal(image_scale_by(IMAGE, "nearest-exact", 1.0), IMAGE)
