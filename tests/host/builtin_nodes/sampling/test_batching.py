"""Predictions for several prompts: which evaluations there are, and how their results are weighed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.batching import area_slices, predict_sides
from host.builtin_nodes.sampling.entries import Entry
from host.builtin_nodes.sampling.rules import NO_PATCHES, NetworkPatches

X = torch.ones(2, 4, 16, 16)


class ConstantModel:
    """Predicts the mean of an entry's tensor everywhere, and notes what it was asked."""

    device = torch.device("cpu")
    parametrisation = kinds.discrete()

    def __init__(self) -> None:
        self.calls: list[tuple[int, tuple[int, ...]]] = []

    def predict(
        self, x: Tensor, sigma: Tensor, entries: Sequence[Entry], patches: NetworkPatches = NO_PATCHES
    ) -> Tensor:
        self.calls.append((len(entries), tuple(x.shape)))
        parts = zip(x.chunk(len(entries)), entries, strict=True)
        return torch.cat([torch.full_like(part, float(entry.tensor.mean())) for part, entry in parts])


def entry(value: float, side: str = "positive", *, tokens: int = 7, **facts: Any) -> Entry:
    options = facts.pop("options", {})
    return Entry(torch.full((1, tokens, 3), value), options, side, **facts)


def predicted(*entries: Entry, model: ConstantModel | None = None, sigma: float = 1.0) -> Tensor:
    return predict_sides(model or ConstantModel(), X, sigma, {"positive": entries})["positive"]


def test_entries_that_look_at_the_same_share_one_evaluation() -> None:
    model = ConstantModel()
    sides = {"negative": [entry(0.0, "negative")], "positive": [entry(1.0), entry(3.0)]}
    found = predict_sides(model, X, 1.0, sides)
    assert model.calls == [(3, (6, 4, 16, 16))]
    assert torch.equal(found["positive"], torch.full_like(X, 2.0))
    assert torch.equal(found["negative"], torch.zeros_like(X))


@pytest.mark.parametrize(
    "other",
    [
        entry(1.0, tokens=14),
        entry(1.0, area=(8, 8, 0, 0)),
        entry(1.0, options={"control": object()}),
        entry(1.0, options={"network input vector": torch.zeros(1, 5)}),
    ],
    ids=["length", "area", "control", "inputs"],
)
def test_entries_that_differ_in_what_the_network_gets_are_evaluated_apart(other: Entry) -> None:
    model = ConstantModel()
    predicted(entry(1.0), other, model=model)
    assert [count for count, _ in model.calls] == [1, 1]


def test_an_area_is_all_the_network_sees_of_the_latent() -> None:
    model = ConstantModel()
    predicted(entry(1.0, area=(8, 12, 2, 4)), model=model)
    assert model.calls == [(1, (2, 4, 8, 12))]


def test_strengths_weigh_the_mean() -> None:
    found = predicted(entry(1.0, strength=3.0), entry(5.0, strength=1.0))
    torch.testing.assert_close(found, torch.full_like(X, 2.0))


def test_the_weight_of_an_area_rises_from_its_inner_edges() -> None:
    found = predicted(entry(0.0), entry(1.0, area=(16, 8, 0, 0)))
    ramp = torch.tensor([1.0, 1, 1, 1, 1, 1, 1.0, 0.5])  # min(8, 8 // 4) cells fall off at the right
    expected = torch.cat([ramp / (1 + ramp), torch.zeros(8)])
    torch.testing.assert_close(found[0, 0, 5], expected)


def test_a_mask_weighs_without_a_ramp_and_for_each_sample_of_the_batch() -> None:
    mask = torch.zeros(2, 16, 16)
    mask[0, :, :4], mask[1, :, 4:] = 1.0, 0.25
    found = predicted(entry(1.0), entry(5.0, mask=mask))
    assert found[0, 0, 0, :5].tolist() == [3.0, 3.0, 3.0, 3.0, 1.0]
    torch.testing.assert_close(found[1, 0, 0, 4], torch.tensor((1 + 0.25 * 5) / 1.25))


def test_places_that_nobody_covers_are_zero() -> None:
    found = predicted(entry(1.0, area=(8, 16, 0, 0)))
    assert found[:, :, :8].unique().tolist() == [1.0]
    assert found[:, :, 8:].unique().tolist() == [0.0]


def test_default_entries_fill_what_the_others_leave() -> None:
    mask = torch.zeros(1, 16, 16)
    mask[:, :8] = 1.0
    found = predicted(entry(1.0, mask=mask), entry(7.0, default=True))
    assert found[:, :, :8].unique().tolist() == [1.0]
    assert found[:, :, 8:].unique().tolist() == [7.0]


def test_default_entries_with_nothing_left_are_not_evaluated() -> None:
    model = ConstantModel()
    predicted(entry(1.0), entry(7.0, default=True), model=model)
    assert [count for count, _ in model.calls] == [1]


def test_only_entries_of_the_level_are_evaluated() -> None:
    model = ConstantModel()
    found = predicted(entry(1.0, lowest=2.0), entry(5.0, highest=1.5), model=model, sigma=1.0)
    assert model.calls == [(1, (2, 4, 16, 16))]
    assert found.unique().tolist() == [5.0]


def test_with_no_entry_at_all_the_prediction_is_zero() -> None:
    model = ConstantModel()
    assert not predicted(model=model).any()
    assert model.calls == []


def test_areas_are_indices_into_the_last_dimensions() -> None:
    assert area_slices((2, 3, 5, 7)) == (slice(5, 7), slice(7, 10))
