from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.images.transforms import image_crop, image_flip, image_rotate
from sdk import NodeError

IMAGE = torch.rand(2, 6, 9, 4, generator=torch.Generator().manual_seed(8))


@pytest.mark.parametrize(
    ("width", "height", "x", "y", "rows", "columns"),
    [
        (4, 3, 2, 1, slice(1, 4), slice(2, 6)),
        (512, 512, 5, 2, slice(2, 6), slice(5, 9)),
        (3, 3, 400, 400, slice(5, 6), slice(8, 9)),
    ],
)
def test_a_piece_ends_where_the_picture_ends(
    width: int, height: int, x: int, y: int, rows: slice, columns: slice
) -> None:
    assert torch.equal(image_crop(IMAGE, width, height, x, y), IMAGE[:, rows, columns])


def test_a_piece_without_pixels_is_refused() -> None:
    with pytest.raises(NodeError, match=r"4 x 4 pixels at x = -2, y = 0 .* 9 x 6"):
        image_crop(IMAGE, 4, 4, -2, 0)


def test_turns_are_clockwise_and_mirrors_swap_sides() -> None:
    assert torch.equal(image_rotate(IMAGE, "90 degrees")[:, 0], IMAGE[:, :, 0].flip(1))
    assert torch.equal(image_rotate(IMAGE, "270 degrees"), image_rotate(IMAGE.flip(1, 2), "90 degrees"))
    assert torch.equal(image_flip(IMAGE, "x-axis: vertically")[:, 0], IMAGE[:, -1])
    assert torch.equal(image_flip(IMAGE, "y-axis: horizontally")[:, :, 0], IMAGE[:, :, -1])
