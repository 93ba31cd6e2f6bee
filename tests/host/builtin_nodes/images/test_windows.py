from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.images.inpainting import grown_hole
from host.builtin_nodes.images.windows import running_maximum

ROW = torch.rand(11, generator=torch.Generator().manual_seed(4)) - 2.0


@pytest.mark.parametrize("before", [0, 1, 2, 5, 30])
@pytest.mark.parametrize("after", [0, 1, 3, 8, 999])
def test_every_cell_gets_the_largest_value_of_its_window(before: int, after: int) -> None:
    expected = torch.stack([ROW[max(0, at - before) : at + after + 1].max() for at in range(len(ROW))])
    assert torch.equal(running_maximum(ROW, before, after, 0), expected)
    square = ROW[None, :, None].expand(2, -1, 3)
    assert torch.equal(running_maximum(square, before, after, 1), expected[None, :, None].expand(2, -1, 3))


def test_values_that_are_no_numbers_spread() -> None:
    row = torch.tensor([0.0, float("nan"), 0.0, 0.0])
    assert running_maximum(row, 1, 0, 0).isnan().tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("pixels", "rows"), [(0, (4, 4)), (1, (4, 4)), (2, (4, 5)), (6, (2, 7)), (7, (1, 7)), (64, (0, 9))]
)
def test_a_hole_grows_by_so_many_pixels_in_width_and_height(pixels: int, rows: tuple[int, int]) -> None:
    mask = torch.full((1, 1, 10, 12), 0.4)
    mask[0, 0, 4, 5] = 0.6
    found = grown_hole(mask, pixels)[0, 0]
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    places = found.nonzero()
    assert (int(places[:, 0].min()), int(places[:, 0].max())) == rows
