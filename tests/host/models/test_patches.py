from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from host.models.errors import PatchMismatch
from host.models.patches import patched, plan, read_deltas, row_name
from sdk.models import PatchFormat, PatchSet, Stacked, TensorSource
from tests.host.models.doubles import ADDED, Add, patch_set

CPU = torch.device("cpu")
ROWS = TensorSource("w", narrow=(0, 2, 2))


@dataclass(frozen=True)
class Scale:
    """Multiplies in place, which a delta shouldn't but may do."""

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        return weight.mul_(strength)


@dataclass(frozen=True)
class FromOriginal:
    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        return weight + strength * original


def apply(original: Tensor, *patches: tuple[PatchSet, float]) -> Tensor:
    (steps,) = plan(patches, lambda name: name).values()
    return patched("w", original, steps, CPU)


def test_a_weight_is_the_original_plus_strength_times_delta() -> None:
    result = apply(torch.ones(2), (patch_set(w=torch.tensor([1.0, 2.0])), 0.5))
    assert result.tolist() == [1.5, 2.0]


def test_patches_add_up_in_their_order_and_see_the_untouched_original() -> None:
    twice = PatchSet(key="b", deltas={"w": FromOriginal()})
    assert apply(torch.ones(1), (patch_set(w=torch.ones(1)), 3.0), (twice, 1.0)).tolist() == [5.0]


def test_deltas_are_computed_in_float32_whatever_the_weight_is() -> None:
    original = torch.tensor([1.0], dtype=torch.float16)
    result = apply(original, (patch_set(w=torch.tensor([2.0**-12])), 1.0))
    assert result.dtype == torch.float32
    assert result.item() == 1 + 2.0**-12


def test_a_delta_that_writes_in_place_does_not_reach_the_original() -> None:
    original = torch.ones(3)
    assert apply(original, (PatchSet(key="a", deltas={"w": Scale()}), 5.0)).tolist() == [5, 5, 5]
    assert original.tolist() == [1, 1, 1]


def test_strength_zero_is_no_patch_at_all() -> None:
    assert plan([(patch_set(w=torch.ones(1)), 0.0)], lambda name: name) == {}


def test_rows_of_a_fused_weight_change_alone() -> None:
    result = apply(torch.zeros(6, 2), (PatchSet(key="a", deltas={"w[2:4]": Add(torch.ones(2, 2))}), 2.0))
    assert result.sum(dim=1).tolist() == [0, 0, 4, 4, 0, 0]


def test_rows_may_lie_along_another_dimension() -> None:
    assert row_name("w", 1, 0, 2) == "w[1, 0:2]"
    result = apply(torch.zeros(2, 3), (PatchSet(key="a", deltas={"w[1, 0:2]": Add(torch.ones(2, 2))}), 1.0))
    assert result.tolist() == [[1, 1, 0], [1, 1, 0]]


def test_several_rows_of_one_weight_make_one_change() -> None:
    deltas = {"w[0:1]": Add(torch.ones(1, 2)), "w[1:2]": Add(torch.full((1, 2), 2.0))}
    assert apply(torch.zeros(3, 2), (PatchSet(key="a", deltas=deltas), 1.0)).tolist() == [[1, 1], [2, 2], [0, 0]]


def test_a_weight_the_module_lacks_is_refused() -> None:
    with pytest.raises(PatchMismatch, match="no such weight"):
        plan([(patch_set(w=torch.ones(1)), 1.0)], lambda name: None)


@pytest.mark.parametrize("target", ["w", "w[2:4]", "w[2:9]", "w[7, 0:1]"])
def test_a_delta_that_does_not_fit_is_refused(target: str) -> None:
    with pytest.raises(PatchMismatch, match=r"patch a can't change 'w'"):
        apply(torch.zeros(6, 2), (PatchSet(key="a", deltas={target: Add(torch.ones(5, 5))}), 1.0))


def test_a_delta_that_broadcasts_the_weight_to_another_shape_is_refused() -> None:
    with pytest.raises(PatchMismatch, match=r"\[4, 2\]"):
        apply(torch.zeros(1, 2), (patch_set(w=torch.ones(4, 2)), 1.0))


def test_every_format_is_asked_and_unused_keys_are_told() -> None:
    tensors = {"a.add": torch.ones(1), "b.scale": torch.ones(1), "c.what": torch.ones(1)}
    scale = PatchFormat(name="scale", read=lambda tensors, names: ({"b": Scale()}, frozenset({"b.scale"})))
    deltas, unmatched = read_deltas([ADDED, scale], tensors, {"a": "first.weight", "b": "second.weight"})
    assert sorted(deltas) == ["first.weight", "second.weight"]
    assert unmatched == ["c.what"]


def test_two_formats_on_one_weight_both_count() -> None:
    both = [ADDED, PatchFormat(name="scale", read=lambda tensors, names: ({"w": Scale()}, frozenset()))]
    deltas, _ = read_deltas(both, {"w.add": torch.ones(1)}, {"w": "w"})
    assert apply(torch.ones(1), (PatchSet(key="a", deltas=deltas), 3.0)).tolist() == [12.0]


@pytest.mark.parametrize("answer", ["q", "w[2:4]"])
def test_a_format_may_name_rows_as_the_family_does_or_by_the_modules_name(answer: str) -> None:
    def read(tensors: Mapping[str, Tensor], names: Mapping[str, Any]) -> Any:
        return {answer: Add(tensors["q.add"])}, frozenset(tensors)

    deltas, _ = read_deltas([PatchFormat(name="x", read=read)], {"q.add": torch.ones(2, 2)}, {"q": ROWS})
    assert list(deltas) == ["w[2:4]"]
    assert apply(torch.zeros(6, 2), (PatchSet(key="a", deltas=deltas), 1.0)).sum(dim=1).tolist() == [
        0,
        0,
        1 + 1,
        2,
        0,
        0,
    ]


def test_a_delta_may_see_its_weight_transposed_narrowed_and_reshaped() -> None:
    names = {"q": TensorSource("w", transpose=True, narrow=(0, 1, 2), reshape=(2, 3, 1))}
    amount = torch.arange(6.0).reshape(2, 3, 1)
    deltas, _ = read_deltas([ADDED], {"q.add": amount}, names)
    result = apply(torch.zeros(3, 4), (PatchSet(key="a", deltas=deltas), 1.0))
    assert torch.equal(result[:, 1:3], amount.reshape(2, 3).T)
    assert result[:, [0, 3]].abs().sum() == 0


class _Added:
    """Adds a column of numbers, one for each row, times the strength."""

    rows_together = 1

    def __init__(self, *numbers: float) -> None:
        self.numbers = torch.tensor(numbers)[:, None]

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        return weight + strength * self.numbers


def test_a_change_of_stacked_weights_reaches_each_with_its_rows() -> None:
    stacked = Stacked((TensorSource("q"), TensorSource("kv", narrow=(0, 2, 2))), (1, 2))
    change = _Added(1.0, 2.0, 3.0)
    format_ = PatchFormat(name="adding", read=lambda tensors, names: ({"qkv": change}, frozenset(tensors)))
    deltas, unmatched = read_deltas([format_], {"qkv": torch.zeros(1)}, {"qkv": stacked})

    assert unmatched == []
    assert list(deltas) == ["q", "kv[2:4]"]
    steps = plan([(PatchSet(key="p", deltas=deltas), 0.5)], lambda name: name)
    assert patched("q", torch.zeros(1, 2), steps["q"], CPU).tolist() == [[0.5, 0.5]]
    whole = patched("kv", torch.zeros(4, 1), steps["kv"], CPU)
    assert whole.flatten().tolist() == [0.0, 0.0, 1.0, 1.5]


@pytest.mark.parametrize("together", [0, 2])
def test_a_change_that_mixes_rows_is_not_applied_to_some_of_them(together: int) -> None:
    change = _Added(1.0, 2.0)
    change.rows_together = together
    format_ = PatchFormat(name="mixing", read=lambda tensors, names: ({"qk": change}, frozenset(tensors)))
    stacked = Stacked((TensorSource("q"), TensorSource("k")), (1, 1))
    deltas, _ = read_deltas([format_], {"qk": torch.zeros(1)}, {"qk": stacked})
    steps = plan([(PatchSet(key="p", deltas=deltas), 1.0)], lambda name: name)
    with pytest.raises(PatchMismatch, match="mixes rows"):
        patched("q", torch.zeros(1, 2), steps["q"], CPU)


class _Mixing:
    """Adds the mean of all rows of the original."""

    rows_together = 0

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        return weight + strength * original.mean(dim=0, keepdim=True)


def test_a_change_that_mixes_rows_of_several_weights_sees_the_originals_of_all() -> None:
    files = {"q": torch.full((1, 2), 1.0), "kv": torch.tensor([[9.0, 9.0], [3.0, 3.0], [5.0, 5.0]]).half()}
    stacked = Stacked((TensorSource("q"), TensorSource("kv", narrow=(0, 1, 2))), (1, 2))
    format_ = PatchFormat(name="mixing", read=lambda tensors, names: ({"qkv": _Mixing()}, frozenset(tensors)))
    deltas, _ = read_deltas([format_], {"qkv": torch.zeros(1)}, {"qkv": stacked}, files.__getitem__)
    steps = plan([(PatchSet(key="p", deltas=deltas), 2.0)], lambda name: name)

    assert patched("q", files["q"], steps["q"], CPU).tolist() == [[7.0, 7.0]]
    assert patched("kv", files["kv"], steps["kv"], CPU)[:, 0].tolist() == [9.0, 9.0, 11.0]
    # Changes that come before stay.
    assert patched("q", files["q"], steps["q"] * 2, CPU).tolist() == [[13.0, 13.0]]
