from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.model_patches.downscale import MatchSkip, ShrinkHidden
from host.builtin_nodes.sampling.patches import NetworkPatches, PatchCall
from tests.host.builtin_nodes.model_patches.small_unet import evaluate, sample, small_unet

BACK = (MatchSkip("bicubic"),)


def shrink(factor: float = 2.0, block: int = 3) -> ShrinkHidden:
    return ShrinkHidden(block, factor, "bicubic", highest=10.0, lowest=2.0)


def sizes_inside(patches: NetworkPatches, sigma: float) -> list[int]:
    sizes: list[int] = []

    def note(hidden: Tensor, call: PatchCall) -> Tensor:
        sizes.append(hidden.shape[-1])
        return hidden

    evaluate(small_unet(), patches + NetworkPatches(after_input=(note,)), x=sample(32, 32), sigma=sigma)
    return sizes


def test_hidden_states_shrink_from_the_block_on_and_come_back() -> None:
    after = NetworkPatches(after_skip=(shrink(),), before_output=BACK)
    before = NetworkPatches(after_input=(shrink(),), before_output=BACK)
    assert sizes_inside(after, 5.0) == [32, 32, 32, 16, 8, 8, 4, 4, 4, 2, 2, 2]
    assert sizes_inside(before, 5.0) == [32, 32, 32, 8, 8, 8, 4, 4, 4, 2, 2, 2]
    for patches in (after, before):
        assert evaluate(small_unet(), patches, x=sample(32, 32), sigma=5.0).shape == (2, 4, 32, 32)


@pytest.mark.parametrize("sigma", [1.9, 10.1])
def test_outside_its_levels_nothing_changes(sigma: float) -> None:
    unet, patches = small_unet(), NetworkPatches(after_skip=(shrink(),), before_output=BACK)
    assert torch.equal(evaluate(unet, patches, sigma=sigma), evaluate(unet, sigma=sigma))


@pytest.mark.parametrize("method", ["bicubic", "nearest-exact", "bilinear", "area", "bislerp"])
def test_a_factor_of_one_changes_nothing(method: str) -> None:
    unet = small_unet()
    patches = NetworkPatches(after_skip=(ShrinkHidden(3, 1.0, method, 10.0, 0.0),), before_output=BACK)
    torch.testing.assert_close(evaluate(unet, patches), evaluate(unet), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("side", "factor", "shrunk"), [(22, 1.76, 13), (30, 0.48, 63), (9, 2.0, 4), (1, 9.0, 1)])
def test_sides_are_rounded_as_products_with_the_inverse_factor(side: int, factor: float, shrunk: int) -> None:
    call = PatchCall(sigma=5.0, shape=(1, 4, side, side), sides=("positive",), place=("input", 3))
    assert shrink(factor)(torch.zeros(1, 2, side, side), call).shape == (1, 2, shrunk, shrunk)


@pytest.mark.parametrize("factor", [0.7, 1.37, 3.0])
def test_sizes_that_do_not_divide_come_back_too(factor: float) -> None:
    unet, x = small_unet(), sample(18, 26)
    patches = NetworkPatches(after_skip=(shrink(factor),), before_output=BACK)
    assert evaluate(unet, patches, x=x, sigma=5.0).shape == x.shape
