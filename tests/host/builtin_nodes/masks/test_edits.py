from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from host.builtin_nodes.masks.edits import crop_mask, feather_mask, grow_mask, mask_composite, threshold_mask
from sdk import NodeError

MASK = torch.rand(2, 9, 12, generator=torch.Generator().manual_seed(1))
CROSS, SQUARE = ndimage.generate_binary_structure(2, 1), np.ones((3, 3), bool)


@pytest.mark.parametrize("expand", [-30, -3, -1, 0, 1, 4, 30])
@pytest.mark.parametrize("tapered", [True, False])
def test_growing_is_a_chain_of_grey_dilations_and_shrinking_one_of_erosions(expand: int, tapered: bool) -> None:
    expected = MASK.numpy()
    step = ndimage.grey_erosion if expand < 0 else ndimage.grey_dilation
    footprint = CROSS if tapered else SQUARE
    for _ in range(abs(expand)):
        expected = np.stack([step(mask, footprint=footprint) for mask in expected])
    np.testing.assert_array_equal(grow_mask(MASK, expand, tapered).numpy(), expected)


@pytest.mark.parametrize("operation", ["multiply", "add", "subtract", "and", "or", "xor"])
def test_masks_are_combined_where_they_overlap(operation: str) -> None:
    source = torch.rand(1, 6, 8, generator=torch.Generator().manual_seed(2))
    found = mask_composite(MASK, source, 7, 5, operation=operation)
    one, other = MASK[:, 5:, 7:].numpy(), source[:, :4, :5].numpy()
    formulas = {"multiply": one * other, "add": one + other, "subtract": one - other}
    logical = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}
    value = formulas[operation] if operation in formulas else logical[operation](one.round(), other.round())
    expected = MASK.clone()
    expected[:, 5:, 7:] = torch.from_numpy(np.clip(np.asarray(value, np.float32), 0, 1))
    assert torch.equal(found, expected)


def test_a_place_on_the_far_border_or_far_away_changes_nothing_and_one_just_beyond_it_is_refused() -> None:
    source = torch.ones(1, 4, 5)
    assert torch.equal(mask_composite(MASK, source, 12, 0, operation="add"), MASK)
    assert torch.equal(mask_composite(MASK, source, 0, 9, operation="add"), MASK)
    assert torch.equal(mask_composite(MASK, source, 0, 500, operation="add"), MASK)
    with pytest.raises(NodeError, match=r"x = 13, y = 0 .* 12 x 9"):
        mask_composite(MASK, source, 13, 0, operation="add")


def test_a_mask_fades_over_as_many_pixels_as_it_has() -> None:
    found = feather_mask(torch.ones(1, 3, 4), left=100)
    torch.testing.assert_close(found[0, 0], torch.tensor([0.25, 0.5, 0.75, 1.0]))
    both = feather_mask(torch.ones(1, 1, 4), left=2, right=3)
    torch.testing.assert_close(both[0, 0], torch.tensor([0.5 / 3, 1.0, 1.0, 2 / 3]))


def test_a_threshold_itself_is_not_above_it() -> None:
    values = torch.tensor([[[0.0, 0.7, 1.0]]])
    assert threshold_mask(values, 0.7).tolist() == [[[0.0, 0.0, 1.0]]]
    assert threshold_mask(values, 0.0).tolist() == [[[0.0, 1.0, 1.0]]]
    assert threshold_mask(values, 1.0).tolist() == [[[0.0, 0.0, 0.0]]]


def test_a_piece_ends_where_the_mask_ends() -> None:
    assert torch.equal(crop_mask(MASK[0], 10, 2, 512, 3), MASK[:1, 2:5, 10:])
