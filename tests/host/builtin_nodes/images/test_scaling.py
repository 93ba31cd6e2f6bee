from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from host.builtin_nodes.images.scaling import centre_crop, missing_side, scale

METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
RAMP = torch.arange(4, dtype=torch.float32).expand(1, 3, 2, 4) / 4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 16])
def test_every_method_gives_the_size_asked_for(method: str, channels: int) -> None:
    assert scale(torch.rand(2, channels, 5, 7), 9, 3, method).shape == (2, channels, 3, 9)


@pytest.mark.parametrize("method", METHODS)
def test_a_flat_picture_stays_flat(method: str) -> None:
    out = scale(torch.full((1, 3, 8, 8), 51 / 255), 13, 5, method)
    torch.testing.assert_close(out, torch.full((1, 3, 5, 13), 51 / 255))


def test_methods_differ_as_their_definitions_say() -> None:
    def row(method: str) -> list[float]:
        return scale(RAMP, 2, 2, method)[0, 0, 0].tolist()

    assert row("area") == [0.125, 0.625]  # means of two neighbours
    assert row("bilinear") == [0.125, 0.625]  # sampled half-way between them
    assert row("nearest-exact") == [0.25, 0.75]


def test_lanczos_rounds_to_eight_bits_and_never_leaves_the_range() -> None:
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1.0
    out = scale(edge, 31, 31, "lanczos")
    assert (out.min(), out.max()) == (0.0, 1.0)
    assert torch.equal(out * 255, (out * 255).round())
    assert scale(edge, 31, 31, "bicubic").max() > 1.0


def test_dtype_is_kept() -> None:
    assert scale(torch.rand(1, 3, 4, 4).half(), 8, 8, "lanczos").dtype == torch.float16


def test_the_middle_is_kept_when_cropping() -> None:
    samples = torch.arange(6.0).expand(1, 1, 2, 6)
    assert centre_crop(samples, 1, 1)[0, 0, 0].tolist() == [2.0, 3.0]
    assert centre_crop(samples.movedim(-1, -2), 1, 1)[0, 0, :, 0].tolist() == [2.0, 3.0]
    assert centre_crop(samples, 3, 1) is not None
    assert centre_crop(samples, 300, 100).shape == samples.shape


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 500), st.integers(1, 500))
def test_a_crop_always_leaves_pixels(old_width: int, old_height: int, width: int, height: int) -> None:
    assert centre_crop(torch.zeros(1, 1, old_height, old_width), width, height).numel() > 0


def test_a_missing_side_follows_from_the_other_one() -> None:
    samples = torch.zeros(1, 3, 20, 40)
    assert missing_side(0, 10, samples) == (20, 10)
    assert missing_side(10, 0, samples) == (10, 5)
    assert missing_side(0, 0, samples) == (40, 20)
    assert missing_side(3, 4, samples) == (3, 4)
    assert missing_side(1, 0, samples) == (1, 1)
