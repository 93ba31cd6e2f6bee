"""PEFT's OFT and BOFT against their definition, with matrices as large as the weight."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.lora.errors import DeltaMisfit, MalformedLayer
from host.builtin_nodes.lora.input_rotation import read_input_rotations
from tests.host.builtin_nodes.lora.small_model import drawn

NAMES = {"base_model.model.layer": "layer.weight"}
STEM = "base_model.model.layer"


class Configured(UserDict[str, Tensor]):
    """Tensors beside which PEFT's configuration lies."""

    def __init__(self, tensors: dict[str, Tensor], **config: Any) -> None:
        super().__init__(tensors)
        self.adapter_config = {"peft_type": "OFT", "peft_version": "0.18.0", **config}


def applied(tensors: Any, weight: Tensor, strength: float = 1.0) -> Tensor:
    deltas, used = read_input_rotations(tensors, NAMES)
    assert used == tensors.keys()
    result: Tensor = deltas[STEM].apply(weight.clone(), weight, strength)
    return result


def cayley(skew: Tensor) -> Tensor:
    identity = torch.eye(len(skew))
    return (identity - skew) @ torch.linalg.inv(identity + skew)


def skew_of(triangle: Tensor, size: int) -> Tensor:
    skew, numbers = torch.zeros(size, size), iter(triangle.tolist())
    for row in range(size):
        for column in range(row + 1, size):
            skew[row, column] = next(numbers)
            skew[column, row] = -skew[row, column]
    return skew


def powers(skew: Tensor, *factors: float) -> Tensor:
    return sum((f * torch.linalg.matrix_power(skew, n) for n, f in enumerate(factors)), torch.zeros_like(skew))


@pytest.mark.parametrize("ending", [".oft_R.weight", ".oft_R.default.weight"])
def test_oft_turns_neighbouring_inputs_by_five_terms_of_the_series(ending: str) -> None:
    weight, triangles = drawn(5, 6), 0.3 * drawn(2, 3, seed=1)
    turn = torch.block_diag(*[powers(skew_of(each, 3), 1, 2, 2, 2, 1) for each in triangles])

    torch.testing.assert_close(applied({STEM + ending: triangles}, weight), weight @ turn.T)


@pytest.mark.parametrize(
    ("config", "factors"),
    [
        ({"num_cayley_neumann_terms": 1}, (1,)),
        ({"num_cayley_neumann_terms": 2}, (1, 2)),
        ({"num_cayley_neumann_terms": 3}, (1, 2, 2, 1)),
        ({"num_cayley_neumann_terms": 6}, (1, 2, 2, 2, 2, 1)),
        ({"peft_version": "0.17.1"}, (1, 2, 2, 2, 2)),
        ({"peft_version": "unknown"}, (1, 2, 2, 2, 2)),
        ({"peft_version": "0.19.0.dev0@abc"}, (1, 2, 2, 2, 1)),
    ],
)
def test_the_configuration_says_which_terms(config: dict[str, Any], factors: tuple[int, ...]) -> None:
    weight, triangles = drawn(5, 3), 0.3 * drawn(1, 3, seed=1)
    found = applied(Configured({f"{STEM}.oft_R.weight": triangles}, **config), weight)

    torch.testing.assert_close(found, weight @ powers(skew_of(triangles[0], 3), *factors).T)


def test_the_configuration_may_ask_for_the_exact_rotation() -> None:
    weight, triangles = drawn(5, 6), drawn(2, 3, seed=1)
    turn = torch.block_diag(*[cayley(skew_of(each, 3)) for each in triangles])
    found = applied(Configured({f"{STEM}.oft_R.weight": triangles}, use_cayley_neumann=False), weight)

    torch.testing.assert_close(found, weight @ turn.T)
    torch.testing.assert_close(found.norm(dim=1), weight.norm(dim=1))


@pytest.mark.parametrize("value", ["5", None, True, 0, -1, 10**9, float("nan")])
def test_a_configuration_with_something_else_than_a_number_is_refused(value: Any) -> None:
    tensors = {f"{STEM}.oft_R.weight": drawn(1, 3)}
    with pytest.raises(MalformedLayer, match=r"adapter_config\.json.*its num_cayley_neumann_terms is"):
        applied(Configured(tensors, num_cayley_neumann_terms=value), drawn(5, 3))
    with pytest.raises(MalformedLayer, match=r"adapter_config\.json.*its eps is"):
        applied(Configured(tensors, coft=True, eps=value), drawn(5, 3))


def test_another_kind_s_configuration_says_nothing_about_oft() -> None:
    weight, tensors = drawn(5, 3), {f"{STEM}.oft_R.weight": drawn(1, 3, seed=1)}
    other = Configured(tensors, peft_type="LORA", use_cayley_neumann=False)

    assert torch.equal(applied(other, weight), applied(tensors, weight))


def test_constrained_oft_shortens_what_is_beyond_its_bound() -> None:
    weight, triangles = drawn(5, 6), torch.stack([torch.full((3,), 2.0), torch.full((3,), 1e-3)])
    allowed = 0.5 / 2**0.5
    short = torch.stack([triangles[0] * allowed / skew_of(triangles[0], 3).norm(), triangles[1]])
    found = applied(Configured({f"{STEM}.oft_R.weight": triangles}, coft=True, eps=0.5), weight)

    torch.testing.assert_close(found, applied(Configured({f"{STEM}.oft_R.weight": short}), weight))


@pytest.mark.parametrize("shape", [(5, 8), (5, 2, 2, 2)])
def test_one_block_stands_for_all(shape: tuple[int, ...]) -> None:
    weight, triangle = drawn(*shape), 0.2 * drawn(1, 6, seed=1)
    found = applied({f"{STEM}.oft_R.weight": triangle}, weight)

    torch.testing.assert_close(found, applied({f"{STEM}.oft_R.weight": triangle.expand(2, 6).contiguous()}, weight))


@pytest.mark.parametrize("ending", ["", ".default"])
def test_oft_with_scales_turns_inputs_and_scales_outputs(ending: str) -> None:
    weight, blocks, scale = drawn(5, 6), drawn(2, 3, 3, seed=1), drawn(5, 1, seed=2)
    turn = torch.block_diag(*[cayley((block - block.T) / 2) for block in blocks])
    found = applied({f"{STEM}.oft_r{ending}": blocks, f"{STEM}.oft_s{ending}": scale}, weight)

    torch.testing.assert_close(found, scale * (weight @ turn.T))


def test_oft_without_scales_turns_outputs() -> None:
    weight, blocks = drawn(6, 5), drawn(2, 3, 3, seed=1)
    turn = torch.block_diag(*[cayley((block - block.T) / 2) for block in blocks])

    torch.testing.assert_close(applied({f"{STEM}.oft_r": blocks}, weight), turn.T @ weight)


@pytest.mark.parametrize(("shape", "scale"), [((3, 16), (3, 1)), ((3, 4, 2, 2), (1, 3))])
def test_boft_brings_halves_of_blocks_together_that_are_ever_further_apart(
    shape: tuple[int, ...], scale: tuple[int, int]
) -> None:
    weight, blocks, factors = drawn(*shape), drawn(2, 4, 4, 4, seed=1), drawn(*scale, seed=2)
    wanted = weight.flatten(1).T
    groups = [
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]],
        [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]],
    ]
    for stage, stage_groups in zip(blocks, groups, strict=True):
        moved = wanted.clone()
        for block, group in zip(stage, stage_groups, strict=True):
            moved[group] = cayley((block - block.T) / 2) @ wanted[group]
        wanted = moved
    wanted = (factors.reshape(-1, 1) * wanted.T).reshape(shape)

    torch.testing.assert_close(applied({f"{STEM}.boft_R": blocks, f"{STEM}.boft_s": factors}, weight), wanted)


def test_strength_goes_from_nothing_to_all() -> None:
    weight, blocks, scale = drawn(3, 4), drawn(2, 2, 2, seed=1), drawn(3, 1, seed=2)
    tensors = {f"{STEM}.oft_r": blocks, f"{STEM}.oft_s": scale}
    turn = torch.block_diag(*[cayley((block - block.T) / 2) for block in blocks])
    half = (1 + scale) / 2 * (weight @ (turn + torch.eye(4)).T / 2)

    torch.testing.assert_close(applied(tensors, weight, 0.0), weight)
    torch.testing.assert_close(applied(tensors, weight, 0.5), half)


def test_some_outputs_alone_get_the_change_they_get_among_all() -> None:
    weight, tensors = drawn(6, 4), {f"{STEM}.oft_r": drawn(2, 2, 2, seed=1), f"{STEM}.oft_s": drawn(6, 1, seed=2)}
    delta: Any = read_input_rotations(tensors, NAMES)[0][STEM]
    some = weight[2:5]

    torch.testing.assert_close(delta.rows(2, 3).apply(some, some, 1.0), applied(tensors, weight)[2:5])


@pytest.mark.parametrize(
    "tensors", [{"oft_R.weight": torch.zeros(2, 3)}, {"oft_r": torch.zeros(2, 3, 3), "oft_s": torch.ones(5, 1)}]
)
def test_blocks_or_scales_for_another_layer_are_refused(tensors: dict[str, Tensor]) -> None:
    named = {f"{STEM}.{key}": tensor for key, tensor in tensors.items()}
    with pytest.raises(DeltaMisfit):
        applied(named, drawn(5, 7))
    if "oft_s" in tensors:
        with pytest.raises(DeltaMisfit):
            applied(named, drawn(4, 6))


@pytest.mark.parametrize(
    ("ending", "shape", "problem"),
    [
        ("oft_R.weight", (2, 4), "holds no triangles"),
        ("oft_R.weight", (2, 3, 3), "holds no triangles"),
        ("oft_r", (2, 3), "its blocks have shape"),
        ("boft_R", (2, 3, 3), "its blocks have shape"),
        ("boft_R", (1, 2, 3, 2), "its blocks have shape"),
    ],
)
def test_tensors_of_impossible_shapes_are_refused(ending: str, shape: tuple[int, ...], problem: str) -> None:
    with pytest.raises(MalformedLayer, match=problem):
        read_input_rotations({f"{STEM}.{ending}": torch.zeros(shape)}, NAMES)
