"""Whole differences for weights, biases and norms."""

from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.lora.errors import DeltaMisfit
from host.builtin_nodes.lora.full_difference import FullDifference, read_full_differences
from tests.host.builtin_nodes.lora.small_model import drawn

NAMES = {"layer": "layer.weight", "layer.bias": "layer.bias", "plain.weight": "plain.weight"}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("layer.diff", "layer"),
        ("layer.diff_b", "layer.bias"),
        ("layer.w_norm", "layer"),
        ("layer.b_norm", "layer.bias"),
        ("plain.diff", "plain.weight"),
    ],
)
def test_each_key_changes_its_tensor(key: str, name: str) -> None:
    values, weight = drawn(4), drawn(4, seed=1)
    deltas, used = read_full_differences({key: values}, NAMES)

    assert used == {key}
    torch.testing.assert_close(deltas[name].apply(weight, weight, -0.5), weight - 0.5 * values)


def test_a_bias_that_the_layer_lacks_stays_unread() -> None:
    assert read_full_differences({"plain.diff_b": drawn(4)}, NAMES) == ({}, frozenset())


def test_an_alpha_beside_a_difference_is_used_up_without_effect() -> None:
    values = drawn(4)
    deltas, used = read_full_differences({"layer.diff": values, "layer.alpha": torch.tensor(9.0)}, NAMES)

    assert used == {"layer.diff", "layer.alpha"}
    assert torch.equal(deltas["layer"].apply(torch.zeros(4), torch.zeros(4), 1.0), values)


def test_two_differences_for_one_tensor_are_not_added_up_silently() -> None:
    _, used = read_full_differences({"layer.diff": drawn(4), "layer.w_norm": drawn(4)}, NAMES)

    assert used == {"layer.diff"}


def test_a_difference_of_another_shape_is_refused() -> None:
    with pytest.raises(DeltaMisfit, match=r"\[4, 3\] does not fit a weight of shape \[3, 4\]"):
        FullDifference(drawn(4, 3)).apply(torch.zeros(3, 4), torch.zeros(3, 4), 1.0)


def test_a_whole_weight_takes_the_place_of_the_model_s_at_any_strength() -> None:
    weight, values = torch.ones(2, 3), torch.arange(6.0).reshape(2, 3)
    deltas, used = read_full_differences({"layer.set_weight": values}, {"layer": "layer.weight"})

    assert used == {"layer.set_weight"}
    assert torch.equal(deltas["layer"].apply(weight + 1, weight, 0.3), values)
