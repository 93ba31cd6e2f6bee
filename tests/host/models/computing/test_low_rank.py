from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.models.computing.low_rank import add_low_rank


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("rows", [5, 1900])  # one block, and several of which the last is smaller
@pytest.mark.parametrize("in_place", [False, True])
def test_a_product_is_added_in_given_memory(rows: int, in_place: bool) -> None:
    up, down, weight = drawn(rows, 2), drawn(2, 1200), drawn(rows, 1200)
    before, out = weight.clone(), weight.clone() if in_place else torch.full_like(weight, torch.nan)

    add_low_rank(out, out if in_place else weight, up, down, 0.5)

    torch.testing.assert_close(out, before + 0.5 * (up @ down))
    assert torch.equal(weight, before)
