"""LoHa against sums written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.lora.hadamard import read_hadamard
from tests.host.builtin_nodes.lora.small_model import drawn

NAMES = {"layer": "layer.weight"}


def layer(**tensors: Tensor) -> dict[str, Tensor]:
    return {f"layer.{key}": value for key, value in tensors.items()}


def linear_layer() -> dict[str, Tensor]:
    return layer(
        hada_w1_a=drawn(5, 2, seed=1), hada_w1_b=drawn(2, 3, seed=2),
        hada_w2_a=drawn(5, 2, seed=3), hada_w2_b=drawn(2, 3, seed=4),
    )  # fmt: skip


def applied(tensors: dict[str, Tensor], *shape: int) -> Tensor:
    deltas, used = read_hadamard(tensors, NAMES)
    assert used == tensors.keys()
    return deltas["layer"].apply(torch.zeros(shape), torch.zeros(shape), 1.0)


def test_two_low_rank_products_are_multiplied_elementwise_and_scaled_by_alpha_over_rank() -> None:
    tensors = linear_layer()
    w1_a, w1_b, w2_a, w2_b = tensors.values()

    found = applied({**tensors, "layer.alpha": torch.tensor(3.0)}, 5, 3)
    torch.testing.assert_close(found, 3 / 2 * (w1_a @ w1_b) * (w2_a @ w2_b))
    torch.testing.assert_close(applied(tensors, 5, 3), (w1_a @ w1_b) * (w2_a @ w2_b))


def test_a_convolutions_kernel_is_flattened_into_the_input_channels() -> None:
    tensors = linear_layer()
    kernels = {key: drawn(2, 3 * 9, seed=7) if key.endswith("_b") else value for key, value in tensors.items()}
    product = (kernels["layer.hada_w1_a"] @ kernels["layer.hada_w1_b"]) * (
        kernels["layer.hada_w2_a"] @ kernels["layer.hada_w2_b"]
    )

    torch.testing.assert_close(applied(kernels, 5, 3, 3, 3), product.reshape(5, 3, 3, 3))


def test_tucker_cores_are_multiplied_from_both_sides() -> None:
    t1, t2 = drawn(2, 2, 3, 3, seed=1), drawn(2, 2, 3, 3, seed=2)
    w1_a, w1_b, w2_a, w2_b = drawn(2, 5, seed=3), drawn(2, 4, seed=4), drawn(2, 5, seed=5), drawn(2, 4, seed=6)
    tensors = layer(hada_t1=t1, hada_t2=t2, hada_w1_a=w1_a, hada_w1_b=w1_b, hada_w2_a=w2_a, hada_w2_b=w2_b)

    found = applied(tensors, 5, 4, 3, 3)
    for output, channel, row, column in ((0, 0, 0, 0), (4, 3, 2, 1), (2, 1, 0, 2)):
        first = w1_a[:, output] @ t1[:, :, row, column] @ w1_b[:, channel]
        second = w2_a[:, output] @ t2[:, :, row, column] @ w2_b[:, channel]
        torch.testing.assert_close(found[output, channel, row, column], first * second)


@pytest.mark.parametrize("missing", ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"])
def test_a_layer_that_lacks_a_factor_stays_unread(missing: str) -> None:
    tensors = linear_layer()
    del tensors[f"layer.{missing}"]

    assert read_hadamard(tensors, NAMES) == ({}, frozenset())


def test_a_layer_with_one_core_alone_stays_unread() -> None:
    assert read_hadamard({**linear_layer(), "layer.hada_t1": drawn(2, 2, 3, 3)}, NAMES) == ({}, frozenset())
