from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.images.edges import canny


def stairs(*heights: float) -> torch.Tensor:
    """Grey pictures [1, 3, 12, 8 per level] of vertical bands."""
    return torch.tensor(heights).repeat_interleave(8).expand(1, 3, 12, -1)


def test_a_step_is_a_line_one_pixel_wide_on_one_side_of_it() -> None:
    found = canny(stairs(0.0, 1.0), 0.1, 0.2)
    assert found.shape == (1, 1, 12, 16)
    columns = found[0, 0].any(dim=0).nonzero().flatten().tolist()
    assert len(columns) == 1
    assert columns[0] in (7, 8)


def test_a_flat_picture_has_no_edges() -> None:
    assert not canny(torch.full((2, 3, 9, 9), 0.7), 0.01, 0.02).any()


def test_weak_edges_count_where_they_continue_a_strong_one_and_in_their_own_picture_only() -> None:
    strong = torch.zeros(3, 30, 30)
    strong[:, :, 15:] = torch.linspace(0.3, 1.0, 30)[None, :, None]
    weak = strong * 0.3
    high = 1.5
    both = canny(torch.stack((strong, weak)), 0.2, high)
    alone = canny(strong[None], high, high)
    assert 0 < int(alone.sum()) < int(both[0].sum())
    assert not both[1].any()
    assert torch.equal(both[:1], canny(strong[None], 0.2, high))


def test_thresholds_are_in_order() -> None:
    with pytest.raises(ValueError, match="swap them"):
        canny(stairs(0.0, 1.0), 0.5, 0.4)
