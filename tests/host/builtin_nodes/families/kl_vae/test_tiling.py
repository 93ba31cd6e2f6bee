from __future__ import annotations

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
