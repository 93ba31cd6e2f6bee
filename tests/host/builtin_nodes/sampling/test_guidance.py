from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.errors import UnsupportedConditioning
from host.builtin_nodes.sampling.guidance import CfgDenoiser, Entry
from host.builtin_nodes.sampling.rules import NO_PATCHES, NetworkPatches

X = torch.ones(2, 4, 2, 2)


class ConstantModel:
    """Predicts the mean of an entry's tensor, and notes which entries it was asked for together."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.parametrisation = kinds.discrete()
        self.calls: list[list[str]] = []

    def predict(
        self, x: Tensor, sigma: Tensor, entries: Sequence[Entry], patches: NetworkPatches = NO_PATCHES
    ) -> Tensor:
        assert len(x) == len(sigma) == 2 * len(entries)
        self.calls.append([entry.side for entry in entries])
        return torch.cat([torch.full((2, 4, 2, 2), float(entry.tensor.mean())) for entry in entries])


def prompt(value: float, *, tokens: int = 77, **options: Any) -> list[Any]:
    return [torch.full((1, tokens, 8), value), options]


def test_guidance_pushes_away_from_the_negative_prediction() -> None:
    denoise = CfgDenoiser(ConstantModel(), [prompt(3.0)], [prompt(1.0)], cfg=5.0)
    assert torch.equal(denoise(X, 1.0), torch.full_like(X, 1 + 5 * (3 - 1)))


def test_both_sides_share_one_call() -> None:
    model = ConstantModel()
    CfgDenoiser(model, [prompt(3.0)], [prompt(1.0)], cfg=5.0)(X, 1.0)
    assert model.calls == [["negative", "positive"]]


def test_prompts_of_different_lengths_are_called_apart() -> None:
    model = ConstantModel()
    denoise = CfgDenoiser(model, [prompt(3.0, tokens=154)], [prompt(1.0)], cfg=2.0)
    assert torch.equal(denoise(X, 1.0), torch.full_like(X, 5.0))
    assert sorted(model.calls) == [["negative"], ["positive"]]


@pytest.mark.parametrize("cfg", [1.0, 1.0 + 1e-12])
def test_at_cfg_1_the_negative_side_is_not_evaluated(cfg: float) -> None:
    model = ConstantModel()
    assert torch.equal(CfgDenoiser(model, [prompt(3.0)], [prompt(1.0)], cfg)(X, 1.0), torch.full_like(X, 3.0))
    assert model.calls == [["positive"]]


def test_who_asks_for_the_negative_prediction_gets_it_even_at_cfg_1() -> None:
    guided, negative = CfgDenoiser(ConstantModel(), [prompt(3.0)], [prompt(1.0)], cfg=1.0).pair(X, 1.0)
    assert torch.equal(guided, torch.full_like(X, 3.0))
    assert torch.equal(negative, torch.full_like(X, 1.0))


def test_entries_of_a_side_are_averaged_by_strength() -> None:
    positive = [prompt(3.0, strength=3.0), prompt(1.0)]
    assert torch.equal(CfgDenoiser(ConstantModel(), positive, [], cfg=1.0)(X, 1.0), torch.full_like(X, 2.5))


def test_a_side_without_entries_predicts_zero() -> None:
    denoise = CfgDenoiser(ConstantModel(), [prompt(3.0)], [], cfg=2.0)
    assert torch.equal(denoise(X, 1.0), torch.full_like(X, 6.0))


def test_entries_count_only_within_their_time_range() -> None:
    positive = [prompt(3.0, start_percent=0.0, end_percent=0.5), prompt(1.0, start_percent=0.5, end_percent=1.0)]
    denoise = CfgDenoiser(ConstantModel(), positive, [], cfg=1.0)
    boundary = kinds.discrete().percent_to_sigma(0.5)
    assert denoise(X, boundary * 1.1).mean() == 3.0
    assert denoise(X, boundary * 0.9).mean() == 1.0
    assert denoise(X, boundary).mean() == 2.0


@pytest.mark.parametrize("sigma", [2.0, torch.tensor(2.0), torch.tensor([2.0, 2.0])])
def test_levels_are_taken_as_number_scalar_or_batch(sigma: float | Tensor) -> None:
    assert CfgDenoiser(ConstantModel(), [prompt(3.0)], [], cfg=1.0)(X, sigma).shape == X.shape


def test_options_nobody_understands_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedConditioning, match="gligen") as caught:
        CfgDenoiser(ConstantModel(), [prompt(3.0, gligen=(), pooled_output=torch.zeros(1))], [], cfg=1.0)
    assert caught.value.options == ("gligen",)
