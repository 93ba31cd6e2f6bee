"""IA3 of PEFT and of LyCORIS against its definition."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.lora.errors import DeltaMisfit, MalformedLayer
from host.builtin_nodes.lora.scaling import read_scalings
from tests.host.builtin_nodes.lora.small_model import drawn

STEM = "base_model.model.up.conv1"
NAMES = {STEM: "up.conv1.weight", f"{STEM}.bias": "up.conv1.bias"}


class Configured(UserDict[str, Tensor]):
    """Tensors beside which PEFT's configuration lies."""

    def __init__(self, tensors: dict[str, Tensor], feedforward_modules: Any) -> None:
        super().__init__(tensors)
        self.adapter_config = {"peft_type": "IA3", "feedforward_modules": feedforward_modules}


def read(tensors: Any) -> dict[str, Any]:
    deltas, used = read_scalings(tensors, NAMES)
    assert used == tensors.keys()
    return deltas


def applied(delta: Any, weight: Tensor, strength: float = 1.0) -> Tensor:
    result: Tensor = delta.apply(weight.clone(), weight, strength)
    return result


@pytest.mark.parametrize("ending", [".ia3_l", ".ia3_l.default"])
def test_peft_s_row_scales_inputs_and_its_column_outputs_with_their_bias(ending: str) -> None:
    weight, bias, row, column = drawn(3, 4), drawn(3), drawn(1, 4, seed=1), drawn(3, 1, seed=2)
    inputs, outputs = read({STEM + ending: row}), read({STEM + ending: column})

    assert inputs.keys() == {STEM}
    torch.testing.assert_close(applied(inputs[STEM], weight), weight * row)
    torch.testing.assert_close(applied(outputs[STEM], weight), weight * column)
    torch.testing.assert_close(applied(outputs[f"{STEM}.bias"], bias), bias * column.flatten())


@pytest.mark.parametrize("modules", [["conv1", "conv9"], r".*\.conv1"])
def test_of_convolutions_peft_s_configuration_says_which_are_scaled_by_their_inputs(modules: Any) -> None:
    weight, factors = drawn(4, 4, 3, 3), drawn(1, 4, 1, 1, seed=1)
    deltas = read(Configured({f"{STEM}.ia3_l": factors}, modules))

    assert deltas.keys() == {STEM}
    torch.testing.assert_close(applied(deltas[STEM], weight), weight * factors)


@pytest.mark.parametrize("modules", [["conv2"], r"conv1", None, []])
def test_other_convolutions_are_scaled_by_their_outputs(modules: Any) -> None:
    weight, bias, factors = drawn(4, 4, 3, 3), drawn(4), drawn(1, 4, 1, 1, seed=1)
    deltas = read(Configured({f"{STEM}.ia3_l": factors}, modules))

    torch.testing.assert_close(applied(deltas[STEM], weight), weight * factors.transpose(0, 1))
    torch.testing.assert_close(applied(deltas[f"{STEM}.bias"], bias), bias * factors.flatten())


def test_without_the_configuration_convolutions_are_refused_with_what_is_missing() -> None:
    with pytest.raises(MalformedLayer, match=r"IA3 for a convolution, and no adapter_config\.json"):
        read({f"{STEM}.ia3_l": torch.ones(1, 4, 1, 1)})


@pytest.mark.parametrize("modules", [1, [2], "("])
def test_a_configuration_that_names_no_modules_is_refused(modules: Any) -> None:
    with pytest.raises(MalformedLayer, match=r"adapter_config\.json.*its feedforward_modules is"):
        read(Configured({f"{STEM}.ia3_l": torch.ones(1, 4, 1, 1)}, modules))


@pytest.mark.parametrize(
    ("shape", "stored", "on_input", "along"),
    [
        ((3, 4), (4,), 1, (1, 4)),
        ((3, 4), (3,), 0, (3, 1)),
        ((3, 4, 2, 2), (1, 4, 1, 1), 1, (1, 4, 1, 1)),
        ((3, 4, 2, 2), (1, 3, 1, 1), 0, (3, 1, 1, 1)),
    ],
)
def test_lycoris_says_itself_which_side_and_stores_what_is_beyond_one(
    shape: tuple[int, ...], stored: tuple[int, ...], on_input: int, along: tuple[int, ...]
) -> None:
    weight, excess = drawn(*shape), drawn(*stored, seed=1)
    deltas = read({f"{STEM}.weight": excess, f"{STEM}.on_input": torch.tensor(on_input)})

    assert deltas.keys() == {STEM}
    torch.testing.assert_close(applied(deltas[STEM], weight, 0.5), weight * (1 + 0.5 * excess.reshape(along)))


def test_a_weight_without_a_side_is_no_ia3() -> None:
    assert read_scalings({f"{STEM}.weight": drawn(3)}, NAMES) == ({}, frozenset())


def test_some_outputs_alone_get_the_change_they_get_among_all() -> None:
    weight = drawn(6, 4)
    for factors in (drawn(6, 1, seed=1), drawn(1, 4, seed=1)):
        delta = read({f"{STEM}.ia3_l": factors})[STEM]
        torch.testing.assert_close(applied(delta.rows(2, 3), weight[2:5]), applied(delta, weight)[2:5])


def test_factors_of_another_number_are_refused() -> None:
    with pytest.raises(DeltaMisfit):
        applied(read({f"{STEM}.ia3_l": torch.ones(5, 1)})[STEM], drawn(4, 5))
