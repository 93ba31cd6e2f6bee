from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from host.builtin_nodes.images.morphology import morphology

IMAGE = torch.rand(1, 41, 44, 2, generator=torch.Generator().manual_seed(3))
OPERATIONS = {
    "erode": ndimage.grey_erosion,
    "dilate": ndimage.grey_dilation,
    "open": ndimage.grey_opening,
    "close": ndimage.grey_closing,
}


@pytest.mark.parametrize("size", [3, 4, 5, 6, 9])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_windows_are_those_of_mathematical_morphology_also_of_even_sizes(operation: str, size: int) -> None:
    # Wherever borders play no part; a dilation's window is the mirror image of an erosion's.
    found = morphology(IMAGE, operation, size)[0, :, :, 1].numpy()
    expected = OPERATIONS[operation](IMAGE[0, :, :, 1].numpy(), size=(size, size))
    inner = (slice(2 * size, 41 - 2 * size), slice(2 * size, 44 - 2 * size))
    np.testing.assert_array_equal(found[inner], expected[inner])


@pytest.mark.parametrize("size", [4, 7, 40])
def test_borders_neither_add_nor_take_away(size: int) -> None:
    flat = torch.full((1, 5, 6, 3), 0.25)
    for operation in ("erode", "dilate"):
        assert torch.equal(morphology(flat, operation, size), flat)
    for operation in ("gradient", "top_hat", "bottom_hat"):
        assert not morphology(flat, operation, size).any()


def test_a_dilation_by_an_even_square_reaches_further_up_and_left_than_down_and_right() -> None:
    point = torch.zeros(1, 7, 7, 1)
    point[0, 3, 3] = 1.0
    grown = morphology(point, "dilate", 4)[0, :, :, 0]
    assert torch.equal(grown.nonzero().amin(dim=0), torch.tensor([1, 1]))
    assert torch.equal(grown.nonzero().amax(dim=0), torch.tensor([4, 4]))


def test_hats_and_gradient_are_differences() -> None:
    opened, closed = (morphology(IMAGE, name, 4) for name in ("open", "close"))
    assert torch.equal(morphology(IMAGE, "top_hat", 4), IMAGE - opened)
    assert torch.equal(morphology(IMAGE, "bottom_hat", 4), closed - IMAGE)
    eroded, dilated = (morphology(IMAGE, name, 4) for name in ("erode", "dilate"))
    assert torch.equal(morphology(IMAGE, "gradient", 4), dilated - eroded)
    assert bool((opened <= IMAGE).all() & (closed >= IMAGE).all())
