"""FreeU against diffusers' filter, and in a whole network against hooks on its residual blocks."""

from __future__ import annotations

import pytest
import torch
from diffusers.utils.torch_utils import fourier_filter
from torch import Tensor, nn

from host.builtin_nodes.model_patches.freeu import FreeU, scale_low_frequencies
from host.builtin_nodes.sampling.patches import NetworkPatches, PatchCall
from tests.host.builtin_nodes.model_patches.small_unet import WIDTH, evaluate, small_unet

CALL = PatchCall(sigma=1.0, shape=(1, 4, 8, 8), sides=("positive",), model_channels=WIDTH)


def features(channels: int, height: int = 8, width: int = 8, seed: int = 0) -> Tensor:
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 4), (6, 10)])
def test_the_filter_scales_the_lowest_frequencies(height: int, width: int) -> None:
    skip = features(5, height, width)
    torch.testing.assert_close(scale_low_frequencies(skip, 0.3), fourier_filter(skip, threshold=1, scale=0.3))


def test_a_constant_picture_is_its_lowest_frequency() -> None:
    torch.testing.assert_close(scale_low_frequencies(torch.ones(1, 1, 8, 8), 0.25), torch.full((1, 1, 8, 8), 0.25))


@pytest.mark.parametrize(("times", "backbone", "skip"), [(4, 1.5, 0.5), (2, 1.25, 0.75)])
def test_the_factors_go_by_the_width_of_the_level(times: int, backbone: float, skip: float) -> None:
    hidden, joined = features(times * WIDTH), features(3, seed=1)
    found, found_skip = FreeU((1.5, 1.25), (0.5, 0.75))(hidden, joined, CALL)
    half = times * WIDTH // 2
    torch.testing.assert_close(found, torch.cat([hidden[:, :half] * backbone, hidden[:, half:]], dim=1))
    torch.testing.assert_close(found_skip, fourier_filter(joined, threshold=1, scale=skip))


def test_other_levels_are_left_alone() -> None:
    hidden, joined = features(WIDTH), features(WIDTH)
    assert FreeU((2.0, 2.0), (0.1, 0.1))(hidden, joined, CALL) == (hidden, joined)


def test_the_second_version_follows_the_structure_of_each_sample() -> None:
    hidden = features(4 * WIDTH)
    found, _ = FreeU((1.4, 1.0), (1.0, 1.0), by_structure=True)(hidden, features(1), CALL)
    for one, other in zip(hidden, found, strict=True):
        mean = one.mean(0)
        factor = 0.4 * (mean - mean.min()) / (mean.max() - mean.min()) + 1
        torch.testing.assert_close(other[: 2 * WIDTH], one[: 2 * WIDTH] * factor)
        assert torch.equal(other[2 * WIDTH :], one[2 * WIDTH :])


@pytest.mark.parametrize("by_structure", [False, True])
def test_factors_of_one_change_nothing(by_structure: bool) -> None:
    unet = small_unet()
    patches = NetworkPatches(before_output=(FreeU((1.0, 1.0), (1.0, 1.0), by_structure),))
    torch.testing.assert_close(evaluate(unet, patches), evaluate(unet), atol=1e-5, rtol=0)


def test_in_a_whole_network_it_equals_hooks_on_the_residual_blocks() -> None:
    backbone, skips = {4 * WIDTH: 1.3, 2 * WIDTH: 1.4}, {4 * WIDTH: 0.9, 2 * WIDTH: 0.2}
    unet = small_unet()
    found = evaluate(unet, NetworkPatches(before_output=(FreeU((1.3, 1.4), (0.9, 0.2)),)))
    # Channels of the skip connections in the order in which the way up takes them.
    widths = [4, 4, 4, 4, 4, 2, 2, 2, 1, 1, 1, 1]

    def scaled(skip_channels: int) -> object:
        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            hidden, skip = args[0][:, :-skip_channels].clone(), args[0][:, -skip_channels:]
            if (width := hidden.shape[1]) in backbone:
                hidden[:, : width // 2] *= backbone[width]
                skip = fourier_filter(skip, threshold=1, scale=skips[width])
            return (torch.cat([hidden, skip], dim=1), *args[1:])

        return hook

    residuals = [residual for block in unet.up_blocks for residual in block.resnets]
    for residual, times in zip(residuals, widths, strict=True):
        residual.register_forward_pre_hook(scaled(times * WIDTH))
    expected = evaluate(unet)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
