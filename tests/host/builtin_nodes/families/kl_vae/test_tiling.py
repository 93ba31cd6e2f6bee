from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from host.builtin_nodes.families.kl_vae.tiling import run_tiled


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2), st.integers(1, 2))
def test_tiles_of_a_local_function_join_without_a_trace(height: int, width: int, overlap: int, batch: int) -> None:
    x = torch.rand(batch, 3, height, width)
    found = run_tiled(lambda tile: tile * 2, x, tile=8, overlap=overlap, scale=1, channels=3)
    torch.testing.assert_close(found, x * 2)


def test_results_may_be_larger_than_what_they_are_made_of() -> None:
    x = torch.rand(1, 4, 20, 12)

    def enlarge(tile: Tensor) -> Tensor:
        return tile[:, :3].repeat_interleave(8, -1).repeat_interleave(8, -2)

    torch.testing.assert_close(run_tiled(enlarge, x, tile=8, overlap=2, scale=8, channels=3), enlarge(x))


def test_no_tile_is_larger_than_asked_for() -> None:
    seen = []

    def note(tile: Tensor) -> Tensor:
        seen.append(tile.shape[-2] * tile.shape[-1])
        return tile

    run_tiled(note, torch.rand(1, 1, 50, 70), tile=16, overlap=4, scale=1, channels=1)
    assert max(seen) == 16 * 16


def test_what_fits_into_the_smallest_tile_is_computed_once_and_as_it_is() -> None:
    seen = []

    def note(tile: Tensor) -> Tensor:
        seen.append(tile)
        return tile / 3

    x = torch.rand(2, 1, 8, 5)
    assert torch.equal(run_tiled(note, x, tile=16, overlap=4, scale=1, channels=1), x / 3)
    assert [tuple(tile.shape) for tile in seen] == [(1, 1, 8, 5)] * 2


def test_passes_whose_tiles_are_the_same_count_as_often() -> None:
    x = torch.rand(1, 1, 3, 40)
    number = iter(range(100))
    found = run_tiled(lambda tile: torch.full_like(tile, next(number)), x, tile=40, overlap=0, scale=1, channels=1)
    # Square and wide tiles hold all of it; the tall ones, half as wide, are two.
    assert found[..., :20].unique().tolist() == pytest.approx([1 / 3])
    assert found[..., 20:].unique().tolist() == pytest.approx([2 / 3])
