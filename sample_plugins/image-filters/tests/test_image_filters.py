"""The filters, by what they promise."""

from __future__ import annotations

import pytest
import torch  # noqa: TID253 - the nodes are tried on images
from image_filters import filters
from image_filters.nodes import grain, levels, median, sketch, unsharp_mask, vignette

from sdk import NodeError
from sdk.testing import run_node


def picture(height: int = 12, width: int = 18, channels: int = 3) -> torch.Tensor:
    return torch.rand(2, height, width, channels, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("node", [levels, unsharp_mask, vignette, grain, median, sketch], ids=lambda node: node.id)
def test_every_filter_keeps_shape_and_transparency(node) -> None:
    image = picture(channels=4)
    (result,) = run_node(node, image=image).outputs
    assert result.shape == image.shape
    assert torch.equal(result[..., 3], image[..., 3])


def test_levels_map_black_and_white_to_the_ends() -> None:
    image = torch.tensor([0.1, 0.2, 0.5, 0.8, 0.9]).reshape(1, 1, 5, 1).expand(1, 1, 5, 3)
    (result,) = run_node(levels, image=image, black=0.2, white=0.8).outputs
    assert torch.allclose(result[0, 0, :, 0], torch.tensor([0, 0, 0.5, 1, 1]), atol=1e-6)


def test_gamma_leaves_the_ends_and_lifts_the_middle() -> None:
    image = torch.tensor([0.0, 0.25, 1.0]).reshape(1, 1, 3, 1).expand(1, 1, 3, 3)
    (result,) = run_node(levels, image=image, gamma=2.0).outputs
    assert torch.allclose(result[0, 0, :, 0], torch.tensor([0, 0.5, 1]))


def test_levels_that_do_not_rise_are_refused() -> None:
    with pytest.raises(NodeError, match=r"black \(0.8\) must be below white \(0.2\)"):
        run_node(levels, image=picture(), black=0.8, white=0.2)


def test_sharpening_leaves_flat_areas_and_steepens_edges() -> None:
    image = torch.full((1, 8, 8, 3), 0.3)
    image[:, :, 4:] = 0.7
    (result,) = run_node(unsharp_mask, image=image, radius=1.0, amount=1.0).outputs
    assert torch.allclose(result[:, :, 0], image[:, :, 0], atol=1e-3)
    assert (result[:, :, 3] < 0.25).all()
    assert (result[:, :, 4] > 0.75).all()
    assert torch.equal(run_node(unsharp_mask, image=image, threshold=1.0).outputs[0], image)


def test_the_blur_keeps_the_mean_of_what_is_far_from_the_edges() -> None:
    image = torch.zeros(1, 31, 31, 1)
    image[0, 15, 15] = 1
    blurred = filters.gaussian(image, 2.0)
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-5)
    assert float(blurred[0, 15, 17, 0] / blurred[0, 15, 15, 0]) == pytest.approx(2.718281828**-0.5, abs=1e-4)


def test_a_vignette_keeps_the_centre_and_blackens_the_corners() -> None:
    (result,) = run_node(vignette, image=torch.ones(1, 11, 11, 3), strength=1.0).outputs
    assert torch.equal(result[0, 5, 5], torch.ones(3))
    assert float(result[0, 0, 0].abs().max()) < 1e-6


def test_grain_depends_on_its_seed_and_spares_black_and_white() -> None:
    grey = torch.full((1, 32, 32, 3), 0.5)
    first, again, other = (run_node(grain, image=grey, seed=seed).outputs[0] for seed in (1, 1, 2**64 - 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float((first - grey).std()) == pytest.approx(0.1, rel=0.1)
    for flat in (torch.zeros(1, 4, 4, 3), torch.ones(1, 4, 4, 3)):
        assert torch.allclose(run_node(grain, image=flat).outputs[0], flat, atol=1e-6)


def test_a_median_removes_single_pixels() -> None:
    image = torch.full((1, 7, 7, 3), 0.5)
    image[0, 3, 3] = 1
    (result,) = run_node(median, image=image).outputs
    assert torch.equal(result, torch.full((1, 7, 7, 3), 0.5))


def test_a_sketch_is_white_where_nothing_changes() -> None:
    image = torch.zeros(1, 8, 8, 3)
    image[:, :, 4:] = 1
    (result,) = run_node(sketch, image=image).outputs
    assert torch.allclose(result[:, :, :3], torch.ones(1, 8, 3, 3), atol=1e-4)
    assert float(result[0, 4, 3].max()) == 0
