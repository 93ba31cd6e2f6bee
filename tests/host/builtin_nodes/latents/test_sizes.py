from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from host.builtin_nodes.latents.arithmetic import latent_add, latent_blend, latent_interpolate, latent_subtract
from host.builtin_nodes.latents.batches import latent_batch
from host.builtin_nodes.latents.compositing import latent_composite
from host.builtin_nodes.latents.scaling import bislerp
from host.builtin_nodes.latents.sizes import empty_latent_image, latent_upscale, latent_upscale_by
from sdk import NodeError, UnfitInputs


def test_an_empty_latent_has_a_cell_for_eight_pixels() -> None:
    samples = empty_latent_image(width=64, height=48, batch_size=2)["samples"]
    assert samples.shape == (2, 4, 6, 8)
    assert not samples.any()


@pytest.mark.parametrize(("width", "height", "size"), [(96, 0, (8, 12)), (0, 128, (16, 24)), (8, 8, (8, 8))])
def test_a_side_of_zero_follows_and_no_side_is_below_64_pixels(width: int, height: int, size: tuple[int, int]) -> None:
    latent = {"samples": torch.rand(1, 4, 8, 12), "batch_index": [3]}
    found = latent_upscale(samples=latent, upscale_method="bilinear", width=width, height=height, crop="disabled")
    assert found["samples"].shape[-2:] == size
    assert found["batch_index"] == [3]


@pytest.mark.parametrize(
    ("cells", "width", "height", "size"),
    [((6, 8), 0, 64, (8, 10)), ((6, 8), 0, 40, (8, 10)), ((7, 5), 72, 0, (12, 9)), ((40, 2), 0, 320, (40, 8))],
)
def test_the_side_that_follows_is_counted_in_pixels_and_then_cut_to_whole_cells(
    cells: tuple[int, int], width: int, height: int, size: tuple[int, int]
) -> None:
    latent = {"samples": torch.rand(1, 4, *cells)}
    found = latent_upscale(samples=latent, upscale_method="nearest-exact", width=width, height=height, crop="disabled")
    assert found["samples"].shape[-2:] == size


def test_no_size_at_all_leaves_the_latent_alone() -> None:
    latent = {"samples": torch.rand(1, 4, 8, 12)}
    assert latent_upscale(samples=latent, upscale_method="area", width=0, height=0, crop="disabled") is latent


def test_a_tiny_factor_leaves_one_cell() -> None:
    latent = {"samples": torch.rand(1, 4, 8, 12)}
    assert latent_upscale_by(latent, "nearest-exact", 0.01)["samples"].shape[-2:] == (1, 1)


OTHER_KINDS = {"channels": (1, 16, 8, 8), "video": (1, 4, 2, 8, 8), "sound": (1, 64, 22)}


@pytest.mark.parametrize("shape", OTHER_KINDS.values(), ids=OTHER_KINDS)
@pytest.mark.parametrize(
    "combine", [latent_add, latent_subtract, latent_interpolate, latent_blend, latent_batch, latent_composite]
)
def test_latents_of_different_models_are_not_combined(combine: Callable[..., Any], shape: tuple[int, ...]) -> None:
    picture, other = {"samples": torch.zeros(1, 4, 8, 8)}, {"samples": torch.zeros(shape)}
    with pytest.raises(NodeError, match="different models"):
        combine(picture, other)
    with pytest.raises(NodeError, match="different models"):
        combine(other, picture)


def test_sounds_of_different_lengths_are_not_added() -> None:
    with pytest.raises(NodeError, match="different times"):
        latent_add({"samples": torch.zeros(1, 64, 22)}, {"samples": torch.zeros(1, 64, 9)})


def test_latents_of_one_model_are_combined_whatever_their_size_and_number() -> None:
    small, large = {"samples": torch.ones(1, 4, 4, 6)}, {"samples": torch.ones(3, 4, 8, 8)}
    assert latent_add(large, small)["samples"].shape == (3, 4, 8, 8)
    assert latent_batch(small, large)["samples"].shape == (4, 4, 4, 6)


def test_a_blend_has_as_many_latents_as_the_longer_batch() -> None:
    one, three = torch.zeros(1, 4, 8, 8), torch.rand(3, 4, 8, 8)
    for first, second in ((one, three), (three, one)):
        found = latent_blend({"samples": first}, {"samples": second}, 0.25)["samples"]
        torch.testing.assert_close(found, first * 0.25 + second * 0.75)
    resized = latent_blend({"samples": one}, {"samples": torch.ones(3, 4, 4, 4)}, 0.5)["samples"]
    torch.testing.assert_close(resized, torch.full((3, 4, 8, 8), 0.5))


def test_batches_that_do_not_fit_are_not_blended() -> None:
    two, three = ({"samples": torch.zeros(count, 4, 8, 8)} for count in (2, 3))
    with pytest.raises(UnfitInputs, match="samples1"):
        latent_blend.run(None, {"samples1": two, "samples2": three}, None)


def test_spherical_interpolation_keeps_lengths() -> None:
    samples = torch.nn.functional.normalize(torch.randn(1, 4, 5, 7, generator=torch.Generator().manual_seed(0)), dim=1)
    lengths = bislerp(samples, 17, 11).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_spherical_interpolation_has_an_answer_for_empty_and_opposite_cells() -> None:
    samples = torch.zeros(1, 4, 1, 3)
    samples[0, 0, 0, 1], samples[0, 0, 0, 2] = 1.0, -1.0
    assert bislerp(samples, 9, 2).isfinite().all()
