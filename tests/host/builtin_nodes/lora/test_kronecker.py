"""LoKr against its definition: copies of one factor, each multiplied by a number of the other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.lora.kronecker import read_kronecker
from tests.host.builtin_nodes.lora.small_model import drawn

NAMES = {"layer": "layer.weight"}
W1_A, W1_B = drawn(2, 1, seed=1), drawn(1, 3, seed=2)
W2_A, W2_B = drawn(4, 2, seed=3), drawn(2, 5, seed=4)
ALPHA = torch.tensor(3.0)


def layer(**tensors: Tensor) -> dict[str, Tensor]:
    return {f"layer.{key}": value for key, value in tensors.items()}


def applied(tensors: dict[str, Tensor], *shape: int) -> Tensor:
    deltas, used = read_kronecker(tensors, NAMES)
    assert used == tensors.keys()
    return deltas["layer"].apply(torch.zeros(shape), torch.zeros(shape), 1.0)


def blocks(outer: Tensor, inner: Tensor) -> Tensor:
    """The Kronecker product, put together block by block."""
    return torch.cat([torch.cat([number * inner for number in row], dim=1) for row in outer], dim=0)


def test_whole_factors_are_multiplied_and_alpha_has_no_effect() -> None:
    w1, w2 = W1_A @ W1_B, W2_A @ W2_B

    found = applied(layer(lokr_w1=w1, lokr_w2=w2, alpha=ALPHA), 8, 15)
    torch.testing.assert_close(found, blocks(w1, w2))


@pytest.mark.parametrize(
    ("tensors", "scale"),
    [
        (layer(lokr_w1=W1_A @ W1_B, lokr_w2_a=W2_A, lokr_w2_b=W2_B, alpha=ALPHA), 3 / 2),
        (layer(lokr_w1_a=W1_A, lokr_w1_b=W1_B, lokr_w2=W2_A @ W2_B, alpha=ALPHA), 3 / 1),
        (layer(lokr_w1_a=W1_A, lokr_w1_b=W1_B, lokr_w2_a=W2_A, lokr_w2_b=W2_B, alpha=ALPHA), 3 / 2),
        (layer(lokr_w1_a=W1_A, lokr_w1_b=W1_B, lokr_w2_a=W2_A, lokr_w2_b=W2_B), 1),
    ],
    ids=["second", "first", "both", "no alpha"],
)
def test_alpha_is_divided_by_the_rank_of_the_last_factor_that_is_decomposed(
    tensors: dict[str, Tensor], scale: float
) -> None:
    torch.testing.assert_close(applied(tensors, 8, 15), scale * blocks(W1_A @ W1_B, W2_A @ W2_B))


def test_a_convolutions_kernel_belongs_to_the_second_factor() -> None:
    w1, w2 = drawn(2, 3), drawn(4, 5, 3, 3, seed=1)

    found = applied(layer(lokr_w1=w1, lokr_w2=w2), 8, 15, 3, 3)
    for row in range(3):
        torch.testing.assert_close(found[:, :, row, 2], blocks(w1, w2[:, :, row, 2]))


def test_a_flattened_kernel_gives_the_same_as_one_with_its_own_dimensions() -> None:
    w1, w2 = drawn(2, 3), drawn(4, 2, seed=1) @ drawn(2, 5 * 9, seed=2)
    flat = layer(lokr_w1=w1, lokr_w2_a=drawn(4, 2, seed=1), lokr_w2_b=drawn(2, 5 * 9, seed=2))

    whole = applied(layer(lokr_w1=w1, lokr_w2=w2.reshape(4, 5, 3, 3)), 8, 15, 3, 3)
    torch.testing.assert_close(applied(flat, 8, 15, 3, 3), whole)


def test_a_tucker_core_is_multiplied_from_both_sides() -> None:
    w1, core, w2_a, w2_b = drawn(2, 3), drawn(2, 2, 3, 3, seed=1), drawn(2, 4, seed=2), drawn(2, 5, seed=3)

    found = applied(layer(lokr_w1=w1, lokr_t2=core, lokr_w2_a=w2_a, lokr_w2_b=w2_b), 8, 15, 3, 3)
    torch.testing.assert_close(found[:, :, 1, 2], blocks(w1, w2_a.T @ core[:, :, 1, 2] @ w2_b))


@pytest.mark.parametrize("missing", ["lokr_w1", "lokr_w2_a", "lokr_w2_b"])
def test_a_layer_that_lacks_a_factor_stays_unread(missing: str) -> None:
    tensors = layer(lokr_w1=W1_A @ W1_B, lokr_w2_a=W2_A, lokr_w2_b=W2_B)
    del tensors[f"layer.{missing}"]

    assert read_kronecker(tensors, NAMES) == ({}, frozenset())
