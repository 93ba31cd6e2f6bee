from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.images.framing import image_stitch

SMALL, LARGE = torch.full((1, 2, 3, 3), 0.5), torch.full((1, 4, 5, 3), 0.5)


@pytest.mark.parametrize(("colour", "margin"), [("white", 1.0), ("black", 0.0), ("red", 0.0), ("blue", 0.0)])
def test_unmatched_pictures_get_margins_of_the_gap_s_grey_and_black_ones_beside_other_colours(
    colour: str, margin: float
) -> None:
    found = image_stitch(SMALL, "right", False, 0, colour, LARGE)
    assert found.shape == (1, 4, 8, 3)
    expected = torch.tensor([margin, 0.5, 0.5, margin])[:, None].expand(4, 3)
    assert torch.equal(found[0, :, 0], expected)
    below = image_stitch(LARGE, "up", False, 0, colour, SMALL)
    assert below.shape == (1, 6, 5, 3)
    assert torch.equal(below[0, 0], torch.tensor([margin, 0.5, 0.5, 0.5, margin])[:, None].expand(5, 3))


def test_the_gap_has_its_colour_and_an_even_width() -> None:
    found = image_stitch(SMALL, "left", True, 3, "green", SMALL)
    assert found.shape == (1, 2, 10, 3)
    assert torch.equal(found[0, 0, 3:7], torch.tensor([[0.0, 1.0, 0.0]]).expand(4, 3))


def test_alpha_is_opaque_where_a_picture_has_none() -> None:
    clear = torch.zeros(2, 2, 3, 4)
    found = image_stitch(clear, "down", True, 2, "white", SMALL)
    assert found.shape == (2, 6, 3, 4)
    assert found[:, :, 0, 3].tolist() == [[0.0, 0.0, 1.0, 1.0, 1.0, 1.0]] * 2


def test_a_shorter_batch_ends_with_its_last_picture_again_and_again() -> None:
    pictures = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 2, 2, 3)
    found = image_stitch(pictures, "right", True, 0, "white", torch.zeros(4, 2, 2, 3))
    assert found[:, 0, 0, 0].tolist() == [0.0, 1.0, 1.0, 1.0]
