from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from host.models.computing.winograd_tiling import LARGE, SMALL, Tiling


@pytest.mark.parametrize("tiling", [SMALL, LARGE, Tiling((0.0, 1.0, -1.0, 2.0)), Tiling((1.0, -0.5))])
def test_a_tile_and_a_filter_become_the_piece_that_the_convolution_makes_of_them(tiling: Tiling) -> None:
    generator = torch.Generator().manual_seed(0)
    tile = torch.randn(tiling.inputs, tiling.inputs, generator=generator)
    taps = torch.randn(3, 3, generator=generator)
    products = (tiling.of_filter @ taps.flatten()) * (tiling.of_tiles @ tile.flatten())
    piece = (tiling.of_products @ products).view(tiling.outputs, tiling.outputs)
    expected = conv2d(tile[None, None], taps[None, None])[0, 0]
    assert torch.allclose(piece, expected, rtol=0, atol=2e-5)


def test_small_and_large_pieces_save_what_they_are_said_to() -> None:
    assert [9 * tiling.outputs**2 / tiling.products for tiling in (SMALL, LARGE)] == [2.25, 4.0]


def test_small_pieces_have_the_matrices_of_the_paper_but_for_signs() -> None:
    filters = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    assert torch.equal(SMALL.of_filter.abs(), torch.kron(filters, filters).abs())
    tiles = torch.tensor([[1.0, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    assert torch.equal(SMALL.of_tiles.abs(), torch.kron(tiles, tiles).abs())


def test_matrices_made_in_inference_mode_serve_automatic_differentiation() -> None:
    with torch.inference_mode():
        matrix = Tiling((0.0, 1.0, -1.0)).of_tiles
    x = torch.ones(16, 1, requires_grad=True)
    (matrix @ x).sum().backward()
    assert x.grad is not None
