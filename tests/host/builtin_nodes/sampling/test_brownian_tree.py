from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torchsde
from hypothesis import given
from hypothesis import strategies as st

from host.builtin_nodes.sampling.brownian_tree import BrownianTree

SHAPE = (1, 4, 8, 8)
LOW, HIGH = 0.0291675, 14.6146421432


def reference(seed: int, low: float = LOW, high: float = HIGH) -> torchsde.BrownianTree:
    return torchsde.BrownianTree(low, torch.zeros(SHAPE), high, entropy=seed, tol=1e-6)


def tree(seed: int, low: float = LOW, high: float = HIGH) -> BrownianTree:
    return BrownianTree(low, high, SHAPE, seed, 6)


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
def test_a_run_of_steps_has_the_reference_implementations_bits(seed: int) -> None:
    levels = torch.linspace(HIGH - 1e-5, 0.03, 21).tolist()
    ours, theirs = tree(seed), reference(seed)
    for high, low in pairwise(levels):
        assert torch.equal(ours(low, high), theirs(low, high))


@given(queries=st.lists(st.tuples(st.floats(LOW + 1e-6, HIGH - 1e-6), st.floats(LOW + 1e-6, HIGH - 1e-6)), max_size=6))
def test_any_queries_in_any_order_have_the_reference_implementations_bits(queries: list[tuple[float, float]]) -> None:
    ours, theirs = tree(7), reference(7)
    for query in queries:
        low, high = sorted(query)
        if round(low, 6) < round(high, 6):
            assert torch.equal(ours(low, high), theirs(low, high))


def test_levels_that_round_to_the_same_have_nothing_between_them() -> None:
    assert not tree(7)(1.0, 1.0000001).any()
    assert not tree(7)(1.0, 1.0).any()


def test_the_whole_path_and_its_shortest_pieces_are_the_references() -> None:
    ours, theirs = tree(3, 0.1, 10.0), reference(3, 0.1, 10.0)
    for low, high in ((0.1, 10.0), (0.1, 0.100001), (9.999999, 10.0), (5.05, 5.050001)):
        assert torch.equal(ours(low, high), theirs(low, high))
