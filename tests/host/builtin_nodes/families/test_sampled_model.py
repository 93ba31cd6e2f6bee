from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Linear, Module

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.sampled_model import AROUND, Evaluate, FamilyModel
from host.builtin_nodes.sampling.guidance import CfgDenoiser, DualCfgDenoiser, PerpNegDenoiser
from host.builtin_nodes.sampling.parametrisation import Parametrisation, discrete


class Recorder:
    """An adapter that predicts no noise and keeps what it was called with."""

    latent_format = LatentFormat(channels=4, scale=0.5, shift=1.0)

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    @property
    def parametrisation(self) -> Parametrisation:
        return discrete()

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {"vector": options["pooled_output"], "concat": latent}

    def forward(self, module: Module, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        self.calls.append({"x": x, "timestep": timestep, "context": context, **inputs})
        return torch.zeros_like(x)


def _side(value: float) -> list[list[Any]]:
    return [[torch.full((1, 7, 3), value), {"pooled_output": torch.full((1, 5), value)}]]


def test_both_prompts_share_one_call_with_their_own_inputs() -> None:
    adapter = Recorder()
    model = FamilyModel(Linear(1, 1), adapter)
    latent = torch.full((2, 4, 3, 3), 3.0)
    positive, negative = (model.prepare(_side(value), latent, None) for value in (1.0, 2.0))
    x = torch.ones(2, 4, 3, 3)
    found = CfgDenoiser(model, positive, negative, 5.0)(x, 1.0)
    torch.testing.assert_close(found, x)
    (call,) = adapter.calls
    assert call["context"][:, 0, 0].tolist() == [2.0, 2.0, 1.0, 1.0]
    assert call["vector"][:, 0].tolist() == [2.0, 2.0, 1.0, 1.0]
    assert call["concat"].unique().tolist() == [1.0]
    assert len(call["timestep"]) == 4


class TwoSided(Recorder):
    """An adapter whose vector depends on the side of a prompt."""

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {"vector": torch.full((1, 5), 6.0), "negative vector": torch.full((1, 5), 2.5)}


def test_an_input_for_one_side_takes_the_place_of_the_others() -> None:
    adapter = TwoSided()
    model = FamilyModel(Linear(1, 1), adapter)
    positive, negative = (model.prepare(_side(value), torch.zeros(1, 4, 2, 2), None) for value in (1.0, 2.0))
    CfgDenoiser(model, positive, negative, 5.0)(torch.ones(1, 4, 2, 2), 1.0)
    (call,) = adapter.calls
    by_prompt = dict(zip(call["context"][:, 0, 0].tolist(), call["vector"][:, 0].tolist(), strict=True))
    assert by_prompt == {1.0: 6.0, 2.0: 2.5}
    assert "negative vector" not in call


@pytest.mark.parametrize("kind", [DualCfgDenoiser, PerpNegDenoiser])
def test_whatever_is_not_positive_counts_as_negative(kind: type[DualCfgDenoiser | PerpNegDenoiser]) -> None:
    adapter = TwoSided()
    model = FamilyModel(Linear(1, 1), adapter)
    sides = (model.prepare(_side(value), torch.zeros(1, 4, 2, 2), None) for value in (1.0, 2.0, 3.0))
    kind(model, *sides, 5.0, 2.0)(torch.ones(1, 4, 2, 2), 1.0)
    (call,) = adapter.calls
    by_prompt = dict(zip(call["context"][:, 0, 0].tolist(), call["vector"][:, 0].tolist(), strict=True))
    assert by_prompt == {1.0: 6.0, 2.0: 2.5, 3.0: 2.5}


def test_an_empty_latent_stays_empty_in_the_networks_space() -> None:
    adapter = Recorder()
    model = FamilyModel(Linear(1, 1), adapter)
    ((_, options),) = model.prepare(_side(1.0), torch.zeros(1, 4, 2, 2), None)
    assert not options["network input concat"].any()


def test_latent_formats_undo_themselves() -> None:
    latent = torch.rand(1, 4, 2, 2)
    model = FamilyModel(Linear(1, 1), Recorder())
    torch.testing.assert_close(model.from_model(model.to_model(latent)), latent)


def test_functions_around_the_network_see_what_it_would_and_say_what_it_predicts() -> None:
    order: list[str] = []

    def around(name: str, scale: float) -> Any:
        def call(evaluate: Evaluate, x: Tensor, sigma: Tensor, context: Tensor, inputs: Mapping[str, Any]) -> Tensor:
            order.append(name)
            return evaluate(x, sigma, context * scale, inputs) * scale

        return call

    adapter = Recorder()
    model = FamilyModel(Linear(1, 1), adapter, {AROUND: (around("first", 2.0), around("second", 3.0))})
    prompt = model.prepare(_side(1.0), torch.zeros(1, 4, 2, 2), None)
    x = torch.ones(1, 4, 2, 2)
    found = CfgDenoiser(model, prompt, [], 1.0)(x, 1.0)
    assert order == ["first", "second"]
    torch.testing.assert_close(found, x * 6)
    (call,) = adapter.calls
    assert call["context"].unique().tolist() == [6.0]
    assert call["patches"].call.sides == ("positive",)
