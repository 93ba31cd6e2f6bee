"""HyperTile against attention computed tile by tile in a loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from host.builtin_nodes.model_patches.tiles import TiledAttention, from_tiles, tile_count, to_tiles
from host.builtin_nodes.sampling.patches import NetworkPatches, PatchCall
from tests.host.builtin_nodes.model_patches.small_unet import evaluate, small_unet


def call(height: int, width: int, sigma: float = 1.0) -> PatchCall:
    return PatchCall(sigma=sigma, shape=(2, 4, height, width), sides=("positive",))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scaled_dot_product_attention(query[:, None], key[:, None], value[:, None])[:, 0]


def test_each_tile_attends_to_itself_alone() -> None:
    height, width, tile = 8, 12, 4
    tokens = torch.randn(2, height * width, 6, generator=generator())
    found = TiledAttention(tile, 2, 0, False)(attend, tokens, tokens, tokens, call(height, width))
    grid, expected = tokens.reshape(2, height, width, 6), torch.zeros(2, height, width, 6)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            part = grid[:, top : top + tile, left : left + tile].reshape(2, -1, 6)
            expected[:, top : top + tile, left : left + tile] = attend(part, part, part).reshape(2, tile, tile, 6)
    torch.testing.assert_close(found, expected.reshape(2, -1, 6))


def test_tiles_are_put_together_as_they_were_cut() -> None:
    tokens = torch.arange(2.0 * 48 * 3).reshape(2, 48, 3)
    assert torch.equal(from_tiles(to_tiles(tokens, 6, 3, 4), 6, 3, 4), tokens)


def test_one_tile_is_the_whole_picture() -> None:
    unet = small_unet()
    patches = NetworkPatches(around_self=(TiledAttention(16, 2, 3, True),))
    torch.testing.assert_close(evaluate(unet, patches), evaluate(unet), atol=1e-5, rtol=0)


def test_smaller_tiles_change_the_picture() -> None:
    unet = small_unet()
    patches = NetworkPatches(around_self=(TiledAttention(4, 2, 0, False),))
    assert not torch.allclose(evaluate(unet, patches), evaluate(unet), atol=1e-4)


@pytest.mark.parametrize(("side", "smallest", "count"), [(64, 32, 2), (64, 33, 1), (60, 16, 3), (16, 32, 1), (7, 2, 1)])
def test_a_side_is_cut_into_as_many_equal_tiles_as_are_large_enough(side: int, smallest: int, count: int) -> None:
    assert tile_count(side, smallest, 1, generator()) == count
    assert tile_count(side, smallest, 2, generator()) == count


def test_more_choices_pick_among_the_next_larger_tiles() -> None:
    numbers = generator()
    assert {tile_count(64, 8, 3, numbers) for _ in range(50)} == {8, 4}


@pytest.mark.parametrize(("max_depth", "tiled"), [(0, {64}), (1, {64, 16})])
def test_layers_are_tiled_down_to_the_greatest_depth(max_depth: int, tiled: set[int]) -> None:
    seen: set[int] = set()
    patch = TiledAttention(2, 2, max_depth, False)
    for side in (8, 4, 2):
        tokens = torch.ones(1, side * side, 3)

        def note(query: Tensor, key: Tensor, value: Tensor, all_tokens: int = side * side) -> Tensor:
            if query.shape[1] < all_tokens:
                seen.add(all_tokens)
            return query

        patch(note, tokens, tokens, tokens, call(8, 8))
    assert seen == tiled


def test_a_level_always_gets_the_same_tiles() -> None:
    tokens = torch.randn(1, 64, 3, generator=generator())
    patch = TiledAttention(1, 4, 0, False)
    first, second = (patch(attend, tokens, tokens, tokens, call(8, 8, sigma=2.5)) for _ in range(2))
    assert torch.equal(first, second)
