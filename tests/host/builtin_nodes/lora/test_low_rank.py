"""LoRA against what the layers it stands for compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from host.builtin_nodes.lora.errors import DeltaMisfit, MalformedLayer
from host.builtin_nodes.lora.low_rank import SPELLINGS, LowRank, read_low_rank
from sdk.models import Delta
from tests.host.builtin_nodes.lora.small_model import drawn

NAMES = {"layer": "layer.weight"}


def read(**tensors: Tensor) -> dict[str, Delta]:
    return dict(read_low_rank({f"layer.{key.replace('__', '.')}": value for key, value in tensors.items()}, NAMES)[0])


def test_a_linear_change_is_the_product_of_its_factors_times_strength_and_alpha_over_rank() -> None:
    up, down, weight = drawn(5, 2), drawn(2, 3, seed=1), drawn(5, 3, seed=2)
    (delta,) = read(lora_up__weight=up, lora_down__weight=down, alpha=torch.tensor(6.0)).values()

    torch.testing.assert_close(delta.apply(weight, weight, 0.5), weight + 0.5 * (6 / 2) * up @ down)


def test_without_alpha_the_product_counts_once() -> None:
    up, down, weight = drawn(5, 2), drawn(2, 3, seed=1), drawn(5, 3, seed=2)
    (delta,) = read(lora_up__weight=up, lora_down__weight=down).values()

    torch.testing.assert_close(delta.apply(weight, weight, 1.0), weight + up @ down)


def test_a_convolution_changes_as_if_its_factors_ran_one_after_the_other() -> None:
    up, down, image = drawn(5, 2, 1, 1), drawn(2, 3, 3, 3, seed=1), drawn(1, 3, 8, 8, seed=2)
    difference = LowRank(up, down).difference(torch.zeros(5, 3, 3, 3))

    expected = functional.conv2d(functional.conv2d(image, down), up)
    torch.testing.assert_close(functional.conv2d(image, difference), expected, atol=1e-5, rtol=1e-5)


def test_a_middle_tensor_is_a_convolution_between_the_factors() -> None:
    up, mid, down = drawn(5, 2, 1, 1), drawn(2, 4, 3, 3, seed=1), drawn(4, 3, 1, 1, seed=2)
    image = drawn(1, 3, 8, 8, seed=3)
    difference = LowRank(up, down, mid).difference(torch.zeros(5, 3, 3, 3))

    expected = functional.conv2d(functional.conv2d(functional.conv2d(image, down), mid), up)
    torch.testing.assert_close(functional.conv2d(image, difference), expected, atol=1e-5, rtol=1e-5)


def test_half_precision_factors_are_computed_in_float32_and_held_as_they_are() -> None:
    up, down, weight = drawn(5, 2).half(), drawn(2, 3, seed=1).half(), drawn(5, 3, seed=2)
    (delta,) = read(lora_up__weight=up, lora_down__weight=down).values()

    assert isinstance(delta, LowRank)
    assert delta.up is up
    assert delta.down is down
    torch.testing.assert_close(delta.apply(weight, weight, 1.0), weight + up.float() @ down.float())


def test_applying_leaves_its_inputs_alone() -> None:
    up, down, weight, original = drawn(5, 2), drawn(2, 3, seed=1), drawn(5, 3, seed=2), drawn(5, 3, seed=3)
    copies = [tensor.clone() for tensor in (up, down, weight, original)]
    LowRank(up, down, scale=0.5).apply(weight, original, 0.5)

    assert all(torch.equal(tensor, copy) for tensor, copy in zip((up, down, weight, original), copies, strict=True))


@pytest.mark.parametrize("suffixes", SPELLINGS, ids=lambda suffixes: suffixes["up"])
def test_every_spelling_of_the_two_factors_is_read(suffixes: dict[str, str]) -> None:
    up, down = drawn(5, 2), drawn(2, 3, seed=1)
    tensors = {f"layer{suffixes['up']}": up, f"layer{suffixes['down']}": down, "other": up}
    deltas, used = read_low_rank(tensors, NAMES)

    assert used == tensors.keys() - {"other"}
    torch.testing.assert_close(deltas["layer"].apply(torch.zeros(5, 3), torch.zeros(5, 3), 1.0), up @ down)


def test_a_layer_with_one_factor_alone_stays_unread() -> None:
    tensors = {"layer.lora_up.weight": drawn(5, 2), "layer.alpha": torch.tensor(1.0)}

    assert read_low_rank(tensors, NAMES) == ({}, frozenset())


def test_a_layer_that_is_spelled_twice_is_read_once_and_the_rest_stays_unread() -> None:
    up, down = drawn(5, 2), drawn(2, 3, seed=1)
    kohya = {"layer.lora_up.weight": up, "layer.lora_down.weight": down}
    deltas, used = read_low_rank({**kohya, "layer.lora_B.weight": 2 * up, "layer.lora_A.weight": down}, NAMES)

    assert used == kohya.keys()
    torch.testing.assert_close(deltas["layer"].apply(torch.zeros(5, 3), torch.zeros(5, 3), 1.0), up @ down)


def test_two_stems_for_one_weight_give_two_deltas() -> None:
    names = {"lora_unet_layer": "layer.weight", "unet.layer": "layer.weight"}
    tensors = {f"{stem}.lora_{kind}.weight": drawn(2, 2) for stem in names for kind in ("up", "down")}
    deltas, used = read_low_rank(tensors, names)

    assert deltas.keys() == names.keys()
    assert used == tensors.keys()


def test_a_change_of_another_shape_than_the_weight_is_refused() -> None:
    change = LowRank(drawn(3, 2), drawn(2, 5))

    with pytest.raises(DeltaMisfit, match=r"\[3, 5\] does not fit a weight of shape \[5, 3\]"):
        change.apply(torch.zeros(5, 3), torch.zeros(5, 3), 1.0)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ({"alpha": torch.ones(2)}, r"alpha has shape \[2\]"),
        ({"alpha": torch.tensor(float("nan"))}, "alpha is nan"),
        ({"lora_down__weight": torch.ones(3)}, r"down has shape \[3\]"),
        ({"lora_down__weight": torch.ones(0, 3)}, r"down has shape \[0, 3\]"),
    ],
)
def test_tensors_that_cannot_be_factors_are_refused_by_name(broken: dict[str, Tensor], problem: str) -> None:
    sound = {"lora_up__weight": drawn(5, 2), "lora_down__weight": drawn(2, 3)}

    with pytest.raises(MalformedLayer, match=f"'layer'.*{problem}"):
        read(**{**sound, **broken})


def test_a_bias_of_up_adds_to_the_layer_s_own() -> None:
    tensors = {
        "layer.lora_down.weight": torch.zeros(2, 3),
        "layer.lora_up.weight": torch.zeros(4, 2),
        "layer.lora_up.bias": torch.arange(4.0),
        "layer.alpha": torch.tensor(1.0),
    }
    deltas, used = read_low_rank(tensors, {"layer": "layer.weight", "layer.bias": "layer.bias"})

    assert used == tensors.keys()
    bias = torch.ones(4)
    torch.testing.assert_close(deltas["layer.bias"].apply(bias, bias, 2.0), bias + 2.0 * 0.5 * torch.arange(4.0))


@pytest.mark.parametrize("name", ["default", "default_0", "my_style"])
@pytest.mark.parametrize("magnitude", ["lora_magnitude_vector.{}", "lora_magnitude_vector.{}.weight"])
def test_the_name_that_an_adapter_had_in_memory_may_be_in_its_keys(name: str, magnitude: str) -> None:
    up, down, lengths, weight = drawn(5, 2), drawn(2, 3, seed=1), drawn(5, seed=2), drawn(5, 3, seed=3)
    tensors = {f"layer.lora_A.{name}.weight": down, f"layer.lora_B.{name}.weight": up}
    (plain,) = read_low_rank(tensors, NAMES)[0].values()
    torch.testing.assert_close(plain.apply(weight, weight, 1.0), weight + up @ down)

    tensors |= {f"layer.{magnitude.format(name)}": lengths}
    deltas, used = read_low_rank(tensors, NAMES)
    changed = weight + up @ down
    wanted = changed * (lengths / changed.norm(dim=1))[:, None]

    assert used == tensors.keys()
    (turned,) = deltas.values()
    torch.testing.assert_close(turned.apply(weight, weight, 1.0), wanted)


def test_adaptive_ranks_are_left_unread_instead_of_read_without_their_values() -> None:
    tensors = {"layer.lora_A": drawn(2, 3), "layer.lora_B": drawn(5, 2), "layer.lora_E": drawn(2, 1)}

    assert read_low_rank(tensors, NAMES) == ({}, frozenset())


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.bfloat16])
def test_files_of_few_bits_are_widened_before_they_are_multiplied(dtype: torch.dtype) -> None:
    up, down, alpha = drawn(5, 2).to(dtype), drawn(2, 3, seed=1).to(dtype), torch.tensor([4.0]).to(dtype)
    tensors = {"layer.lora_up.weight": up, "layer.lora_down.weight": down, "layer.alpha": alpha}
    (delta,) = read_low_rank(tensors, NAMES)[0].values()
    weight = drawn(5, 3, seed=2)

    torch.testing.assert_close(delta.apply(weight, weight, 1.0), weight + 2 * up.float() @ down.float())


def test_a_change_can_be_cut_into_rows() -> None:
    change, weight = LowRank(drawn(6, 2, seed=1), drawn(2, 3, seed=2), scale=0.5), torch.zeros(6, 3)
    assert torch.equal(change.rows(2, 3).difference(weight[2:5]), change.difference(weight)[2:5])


def test_the_factors_of_a_change_are_what_applying_it_adds() -> None:
    up, mid, down = drawn(5, 2, 1, 1), drawn(2, 4, 3, 3, seed=1), drawn(4, 3, 1, 1, seed=2)
    weight = drawn(5, 3, 3, 3, seed=3)
    delta = LowRank(up, down, mid, scale=0.5)

    outputs, inputs, scale = delta.factors(weight)

    changed = weight + 0.7 * scale * (outputs @ inputs).view_as(weight)
    torch.testing.assert_close(changed, delta.apply(weight, weight, 0.7))


def test_factors_of_another_shape_are_refused() -> None:
    with pytest.raises(DeltaMisfit, match=r"\[5, 3\].*\[5, 1\]"):
        LowRank(drawn(5, 2), drawn(2, 3)).factors(torch.ones(5, 1))


def test_the_shape_that_some_files_say_a_weight_gets_is_no_key_left_over() -> None:
    tensors = {
        "layer.lora_up.weight": drawn(5, 2),
        "layer.lora_down.weight": drawn(2, 3),
        "layer.reshape_weight": torch.tensor([5, 3]),
    }

    assert read_low_rank(tensors, NAMES)[1] == tensors.keys()


def test_a_bias_beside_a_factor_that_is_no_matrix_is_refused() -> None:
    tensors = {"layer.lora_B.bias": drawn(4), "layer.lora_A.weight": torch.tensor(1.0)}
    with pytest.raises(MalformedLayer, match=r"its down has shape \[\]"):
        read_low_rank(tensors, {**NAMES, "layer.bias": "layer.bias"})
