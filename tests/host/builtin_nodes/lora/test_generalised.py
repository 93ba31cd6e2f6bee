"""GLoRA against its formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.lora.errors import DeltaMisfit
from host.builtin_nodes.lora.generalised import read_generalised
from sdk.models import Delta

RANK, OUT, IN = 2, 6, 4


def made(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def delta_of(tensors: dict[str, Tensor]) -> Delta:
    deltas, used = read_generalised({f"layer.{key}": value for key, value in tensors.items()}, {"layer": "w"})
    assert used == {f"layer.{key}" for key in tensors}
    return deltas["layer"]


def factors(inner: int = IN) -> dict[str, Tensor]:
    return {
        "a1.weight": made(IN, RANK),
        "a2.weight": made(RANK, IN),
        "b1.weight": made(OUT, RANK),
        "b2.weight": made(RANK, inner),
    }


def test_the_change_is_a_product_with_the_weight_and_one_of_its_own() -> None:
    given, weight = {**factors(), "alpha": torch.tensor(1.0)}, made(OUT, IN)
    a, b = given["a1.weight"] @ given["a2.weight"], given["b1.weight"] @ given["b2.weight"]
    found = delta_of(given).apply(weight.clone(), weight, 0.5)
    torch.testing.assert_close(found, weight + 0.5 * 0.5 * (weight @ a + b))


def test_it_looks_at_the_original_whatever_was_changed_before() -> None:
    given, weight = factors(), made(OUT, IN)
    plain = delta_of(given).apply(weight.clone(), weight, 1.0)
    torch.testing.assert_close(delta_of(given).apply(weight + 1, weight, 1.0), plain + 1)


def test_convolutions_are_changed_along_their_inputs_at_every_place_of_the_kernel() -> None:
    given, weight = factors(IN * 9), made(OUT, IN, 3, 3)
    a, b = given["a1.weight"] @ given["a2.weight"], given["b1.weight"] @ given["b2.weight"]
    expected = weight + torch.einsum("oixy,ij->ojxy", weight, a) + b.reshape(weight.shape)
    torch.testing.assert_close(delta_of(given).apply(weight.clone(), weight, 1.0), expected)


def test_older_files_have_the_factors_the_other_way_round() -> None:
    for weight in (made(OUT, IN), made(OUT, IN, 3, 3)):
        flat = weight.flatten(1)
        given = {
            "a1.weight": made(RANK, flat.shape[1]),
            "a2.weight": made(flat.shape[1], RANK),
            "b1.weight": made(RANK, flat.shape[1]),
            "b2.weight": made(OUT, RANK),
            "alpha": torch.tensor(4.0),
        }
        change = flat @ given["a2.weight"] @ given["a1.weight"] + given["b2.weight"] @ given["b1.weight"]
        found = delta_of(given).apply(weight.clone(), weight, 1.0)
        torch.testing.assert_close(found, weight + 2 * change.reshape(weight.shape))


def test_it_goes_with_the_magnitudes_of_dora() -> None:
    weight, magnitude = made(OUT, IN), made(OUT, 1).abs()
    changed = delta_of(factors()).apply(weight.clone(), weight, 1.0)
    norm = weight.norm(dim=1, keepdim=True) + torch.finfo(torch.float32).eps
    found = delta_of({**factors(), "dora_scale": magnitude}).apply(weight.clone(), weight, 1.0)
    torch.testing.assert_close(found, changed * magnitude / norm)


def test_layers_that_lack_a_factor_stay_unread() -> None:
    given = {f"layer.{key}": value for key, value in factors().items() if key != "b2.weight"}
    assert read_generalised(given, {"layer": "w"}) == ({}, frozenset())


def test_a_change_of_another_shape_is_refused() -> None:
    with pytest.raises((DeltaMisfit, RuntimeError)):
        delta_of(factors()).apply(made(OUT, IN + 1), made(OUT, IN + 1), 1.0)
