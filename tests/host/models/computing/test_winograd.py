from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from host.models.computing import winograd
from host.models.computing.winograd_tiling import LARGE, SMALL, Tiling

SHAPES = [(2, 8, 6, 10), (1, 5, 7, 9), (3, 4, 1, 2), (1, 16, 64, 64)]
TOLERANCES = {SMALL: 2e-6, LARGE: 1e-5}
tilings = pytest.mark.parametrize("tiling", [SMALL, LARGE])


@tilings
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_convolution_of_any_size_in_the_inputs_memory_order(
    shape: tuple[int, int, int, int], order: torch.memory_format, tiling: Tiling
) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape).contiguous(memory_format=order), torch.randn(7, shape[1], 3, 3), torch.randn(7)
    for added in (None, bias):
        result = winograd.convolve(x, winograd.transform_filter(weight, tiling), added, tiling)
        expected = conv2d(x.double(), weight.double(), None if added is None else added.double(), padding=1)
        assert result.shape == expected.shape
        assert result.is_contiguous(memory_format=order)
        assert (result - expected).abs().max() < TOLERANCES[tiling] * expected.abs().max()


@tilings
def test_images_taller_than_a_strip_have_no_seams(tiling: Tiling) -> None:
    torch.manual_seed(0)
    x, matrices = torch.randn(2, 4, 38, 6), winograd.transform_filter(torch.randn(3, 4, 3, 3), tiling)
    whole = winograd.convolve(x, matrices, None, tiling)
    for tiles in (1, 8, 20):
        strips = winograd.convolve(x, matrices, None, tiling, tiles_at_a_time=tiles)
        assert torch.allclose(strips, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("tiling", "times"), [(SMALL, 4), (LARGE, 16)])
def test_sums_over_many_channels_are_nearly_as_exact_as_the_direct_convolution(tiling: Tiling, times: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 320, 16, 16), torch.randn(32, 320, 3, 3)
    exact = conv2d(x.double(), weight.double(), padding=1)
    direct = (conv2d(x, weight, padding=1) - exact).square().mean().sqrt()
    result = winograd.convolve(x, winograd.transform_filter(weight, tiling), None, tiling)
    assert (result - exact).square().mean().sqrt() < times * direct


def test_large_maps_are_computed_in_large_pieces_and_smaller_ones_in_small_ones() -> None:
    assert winograd.choose_tiling(torch.empty(2, 320, 32, 32), (320, 320, 3, 3)) is LARGE
    assert winograd.choose_tiling(torch.empty(2, 320, 30, 29), (320, 320, 3, 3)) is LARGE
    assert winograd.choose_tiling(torch.empty(1, 320, 32, 32), (320, 320, 3, 3)) is SMALL
    assert winograd.choose_tiling(torch.empty(2, 1280, 32, 32), (1280, 1280, 3, 3)) is SMALL


def test_small_pictures_thin_layers_and_other_filters_are_left_to_others() -> None:
    large, small = torch.empty(1, 320, 16, 16), torch.empty(2, 320, 4, 4)
    assert winograd.choose_tiling(large, (320, 320, 3, 3)) is SMALL
    assert winograd.choose_tiling(small, (320, 320, 3, 3)) is None
    assert winograd.choose_tiling(large, (4, 320, 3, 3)) is None
    assert winograd.choose_tiling(large, (320, 320, 1, 1)) is None
