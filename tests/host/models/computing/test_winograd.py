from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from host.models.computing import winograd

SHAPES = [(2, 8, 6, 10), (1, 5, 7, 9), (3, 4, 1, 2), (1, 16, 64, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_convolution_of_any_even_or_odd_size_in_the_inputs_memory_order(
    shape: tuple[int, int, int, int], order: torch.memory_format
) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape).contiguous(memory_format=order), torch.randn(7, shape[1], 3, 3), torch.randn(7)
    for added in (None, bias):
        result = winograd.convolve(x, winograd.transform_filter(weight), added, 7)
        expected = conv2d(x.double(), weight.double(), None if added is None else added.double(), padding=1)
        assert result.shape == expected.shape
        assert result.is_contiguous(memory_format=order)
        assert (result - expected).abs().max() < 2e-6 * expected.abs().max()


def test_images_taller_than_a_strip_have_no_seams() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 4, 18, 6), torch.randn(3, 4, 3, 3)
    whole = winograd.convolve(x, winograd.transform_filter(weight), None, 3)
    rows = winograd.convolve(x, winograd.transform_filter(weight), None, 3, strip_bytes=1)
    assert torch.allclose(rows, whole, rtol=0, atol=1e-5)


def test_it_is_as_exact_as_the_direct_convolution() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 320, 16, 16), torch.randn(320, 320, 3, 3)
    exact = conv2d(x.double(), weight.double(), padding=1)
    direct = (conv2d(x, weight, padding=1) - exact).abs().max()
    assert (winograd.convolve(x, winograd.transform_filter(weight), None, 320) - exact).abs().max() < 4 * direct


def test_small_pictures_thin_layers_and_other_filters_are_left_to_others() -> None:
    large, small = torch.empty(1, 320, 16, 16), torch.empty(2, 320, 4, 4)
    assert winograd.suits(large, (320, 320, 3, 3))
    assert not winograd.suits(small, (320, 320, 3, 3))
    assert not winograd.suits(large, (4, 320, 3, 3))
    assert not winograd.suits(large, (320, 320, 1, 1))
