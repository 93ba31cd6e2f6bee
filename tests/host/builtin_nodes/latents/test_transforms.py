from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.latents.transforms import latent_concat, latent_crop, latent_cut
from sdk import NodeError, UnfitInputs

LATENT = torch.arange(2 * 10 * 12, dtype=torch.float32).reshape(1, 2, 10, 12)
SMALL = LATENT[..., :6, :5]


@pytest.mark.parametrize(
    ("x", "y", "rows", "columns"),
    [(0, 0, slice(0, 8), slice(0, 8)), (24, 8, slice(1, 9), slice(3, 11)), (800, 16, slice(2, 10), slice(4, 12))],
)
def test_a_piece_begins_where_eight_cells_are_left(x: int, y: int, rows: slice, columns: slice) -> None:
    found = latent_crop({"samples": LATENT, "batch_index": [4]}, 64, 64, x, y)
    assert torch.equal(found["samples"], LATENT[..., rows, columns])
    assert found["batch_index"] == [4]


def test_the_piece_of_a_latent_below_eight_cells_is_what_lies_at_its_far_corner() -> None:
    found = latent_crop({"samples": SMALL}, 64, 64, 0, 0)["samples"]
    assert torch.equal(found, SMALL[..., -2:, -3:])


def test_a_piece_without_cells_is_refused() -> None:
    with pytest.raises(NodeError, match=r"5 x 6 cells .* 32 x 24 pixels"):
        latent_crop({"samples": SMALL}, 32, 24, 0, 0)


def test_a_picture_has_its_channels_where_a_video_has_its_time() -> None:
    other = LATENT + 1000
    joined = latent_concat({"samples": LATENT}, {"samples": other}, "t")["samples"]
    assert torch.equal(joined, torch.cat((LATENT, other), dim=1))
    before = latent_concat({"samples": LATENT}, {"samples": other}, "-t")["samples"]
    assert torch.equal(before, torch.cat((other, LATENT), dim=1))
    assert torch.equal(latent_cut({"samples": joined}, "t", 1, 2)["samples"], joined[:, 1:3])
    video = LATENT[:, :, None].repeat(1, 1, 3, 1, 1)
    assert latent_concat({"samples": video}, {"samples": video}, "t")["samples"].shape == (1, 2, 6, 10, 12)


@pytest.mark.parametrize(
    ("index", "amount", "kept"), [(0, 3, (0, 3)), (99, 5, (11, 12)), (-2, 9, (10, 12)), (-99, 1, (0, 1))]
)
def test_a_slice_counts_from_either_end_and_stops_at_the_other(index: int, amount: int, kept: tuple[int, int]) -> None:
    found = latent_cut({"samples": LATENT}, "x", index, amount)["samples"]
    assert torch.equal(found, LATENT[..., slice(*kept)])


def test_a_shorter_batch_is_repeated_and_other_sizes_are_refused() -> None:
    three = LATENT.repeat(3, 1, 1, 1)
    assert latent_concat({"samples": three}, {"samples": LATENT}, "y")["samples"].shape == (3, 2, 20, 12)
    assert latent_concat({"samples": LATENT}, {"samples": three}, "y")["samples"].shape == (1, 2, 20, 12)
    with pytest.raises(UnfitInputs, match=r"samples2 \[1, 2, 6, 5\]"):
        latent_concat.run(None, {"samples1": {"samples": LATENT}, "samples2": {"samples": SMALL}, "dim": "x"}, None)
