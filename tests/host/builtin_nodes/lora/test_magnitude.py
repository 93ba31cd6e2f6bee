"""DoRA: which norms the changed weight has."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from host.builtin_nodes.lora.errors import DeltaMisfit
from host.builtin_nodes.lora.hadamard import read_hadamard
from host.builtin_nodes.lora.kronecker import read_kronecker
from host.builtin_nodes.lora.low_rank import LowRank, read_low_rank
from host.builtin_nodes.lora.magnitude import WeightDecomposed
from tests.host.builtin_nodes.lora.small_model import drawn

LINEAR, CONVOLUTION = (5, 3), (5, 3, 3, 3)


def change(shape: tuple[int, ...], size: float = 1.0) -> LowRank:
    return LowRank(size * drawn(shape[0], 2, seed=1), drawn(2, *shape[1:], seed=2))


@pytest.mark.parametrize("shape", [LINEAR, CONVOLUTION])
def test_row_magnitudes_are_the_norms_of_the_rows_where_the_direction_stays(shape: tuple[int, ...]) -> None:
    weight, magnitude = drawn(*shape), torch.arange(1.0, 6.0).reshape(5, *[1] * (len(shape) - 1))
    result = WeightDecomposed(change(shape, size=0.0), magnitude).apply(weight, weight, 1.0)

    torch.testing.assert_close(result.flatten(1).norm(dim=1), magnitude.flatten())


@pytest.mark.parametrize("shape", [LINEAR, CONVOLUTION])
def test_row_magnitudes_count_in_norms_of_the_original_rows(shape: tuple[int, ...]) -> None:
    weight, magnitude = drawn(*shape), torch.arange(1.0, 6.0)
    moved = weight + change(shape).difference(weight)
    norms = weight.flatten(1).norm(dim=1)

    result = WeightDecomposed(change(shape), magnitude.reshape(5, 1)).apply(weight, weight, 1.0)
    rows = [5, *[1] * (len(shape) - 1)]
    torch.testing.assert_close(result, moved * (magnitude / norms).reshape(rows))


@pytest.mark.parametrize("shape", [LINEAR, CONVOLUTION])
@given(size=st.floats(0.0, 10.0))
def test_column_magnitudes_are_the_norms_of_the_columns_whatever_the_direction(
    shape: tuple[int, ...], size: float
) -> None:
    weight, magnitude = drawn(*shape), torch.tensor([[1.0, 2.0, 3.0]])
    result = WeightDecomposed(change(shape, size), magnitude).apply(weight, weight, 1.0)

    torch.testing.assert_close(result.transpose(0, 1).flatten(1).norm(dim=1), magnitude[0])


def test_strength_scales_the_whole_difference() -> None:
    weight, delta = drawn(*LINEAR), WeightDecomposed(change(LINEAR), torch.arange(1.0, 6.0)[:, None])
    full = delta.apply(weight, weight, 1.0)

    torch.testing.assert_close(delta.apply(weight, weight, 0.0), weight, atol=0, rtol=0)
    torch.testing.assert_close(delta.apply(weight, weight, 0.25), weight + 0.25 * (full - weight))


def test_the_difference_is_that_of_the_original_weight_whatever_other_patches_did() -> None:
    original, delta = drawn(*LINEAR), WeightDecomposed(change(LINEAR), torch.arange(1.0, 6.0)[:, None])
    earlier = original + drawn(*LINEAR, seed=9)

    torch.testing.assert_close(
        delta.apply(earlier, original, 0.5) - earlier, delta.apply(original, original, 0.5) - original
    )


def test_a_row_of_zeros_stays_finite() -> None:
    weight = torch.zeros(LINEAR)
    result = WeightDecomposed(change(LINEAR, size=0.0), torch.ones(5, 1)).apply(weight, weight, 1.0)

    assert torch.equal(result, weight)


@pytest.mark.parametrize("shape", [(), (4,), (4, 1), (1, 5), (5, 3), (1, 1)])
def test_magnitudes_of_another_length_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DeltaMisfit):
        WeightDecomposed(change(LINEAR), torch.ones(shape)).apply(torch.zeros(LINEAR), torch.zeros(LINEAR), 1.0)


@pytest.mark.parametrize(
    ("read", "tensors"),
    [
        (read_low_rank, {"lora_up.weight": drawn(4, 2), "lora_down.weight": drawn(2, 4)}),
        (read_hadamard, {f"hada_w{n}_{side}": drawn(4, 4, seed=n) for n in (1, 2) for side in "ab"}),
        (read_kronecker, {"lokr_w1": drawn(2, 2), "lokr_w2": drawn(2, 2)}),
    ],
    ids=["LoRA", "LoHa", "LoKr"],
)
def test_every_factorised_format_takes_magnitudes(read: object, tensors: dict[str, Tensor]) -> None:
    stored = {f"layer.{key}": tensor for key, tensor in tensors.items()}
    magnitude = {"layer.dora_scale": torch.ones(1, 4)}
    assert callable(read)
    plain, _ = read(stored, {"layer": "layer.weight"})
    decomposed, used = read({**stored, **magnitude}, {"layer": "layer.weight"})
    weight = drawn(4, 4, seed=5)

    assert used == stored.keys() | magnitude.keys()
    moved = plain["layer"].apply(weight, weight, 1.0)
    torch.testing.assert_close(decomposed["layer"].apply(weight, weight, 1.0), moved / moved.norm(dim=0))


def test_peft_s_magnitudes_are_the_norms_of_the_changed_rows() -> None:
    weight, magnitude = drawn(*LINEAR), torch.arange(1.0, 6.0)
    tensors = {
        "layer.lora_A.weight": drawn(2, 3, seed=1),
        "layer.lora_B.weight": drawn(5, 2, seed=2),
        "layer.lora_magnitude_vector.weight": magnitude,
    }
    deltas, used = read_low_rank(tensors, {"layer": "layer.weight"})

    assert used == tensors.keys()
    result = deltas["layer"].apply(weight, weight, 1.0)
    torch.testing.assert_close(result.norm(dim=1), magnitude)
    direction = weight + tensors["layer.lora_B.weight"] @ tensors["layer.lora_A.weight"]
    torch.testing.assert_close(result, magnitude[:, None] * direction / direction.norm(dim=1, keepdim=True))
