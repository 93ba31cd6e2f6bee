"""Nodes that change guidance, in whole runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.custom_sampling.guider_nodes import basic_guider, cfg_guider, dual_cfg_guider, perp_neg_guider
from host.builtin_nodes.custom_sampling.noise_nodes import disable_noise
from host.builtin_nodes.custom_sampling.run_nodes import sampler_custom_advanced
from host.builtin_nodes.custom_sampling.sampler_nodes import ksampler_select
from host.builtin_nodes.guidance.formula_nodes import perp_neg
from sdk import ModelHandle
from tests.host.builtin_nodes.custom_sampling.counting_model import CountingAdapter, context, counting_model, prompt


class SizedAdapter(CountingAdapter):
    """Its network wants to be told the picture's size, as that of Stable Diffusion XL does."""

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {"size": torch.tensor([list(latent.shape[2:])])}

    def forward(self, module: Module, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        assert inputs["size"].tolist() == [[4, 6]] * len(x)
        return super().forward(module, x, timestep, context)


def sized_model() -> ModelHandle:
    return replace(counting_model(), adapter=SizedAdapter())


def run(guider: Any) -> None:
    told = context()
    sampler_custom_advanced(
        noise=disable_noise(),
        guider=guider,
        sampler=ksampler_select(sampler_name="euler", context=told),
        sigmas=torch.tensor([3.0, 0.0]),
        latent_image={"samples": torch.ones(1, 4, 4, 6)},
        context=told,
    )


@pytest.mark.parametrize("kind", ["basic", "cfg", "regular", "nested", "perp-neg"])
def test_the_empty_prompt_is_told_what_the_network_wants_to_know(kind: str) -> None:
    model = perp_neg(model=sized_model(), empty_conditioning=prompt(7.0), neg_scale=1.0)
    positive, negative, other = (prompt(number) for number in (1.0, 2.0, 3.0))
    if kind == "basic":
        run(basic_guider(model=model, conditioning=positive))
    elif kind == "cfg":
        run(cfg_guider(model=model, positive=positive, negative=negative, cfg=5.0))
    elif kind == "perp-neg":
        run(perp_neg_guider(model=model, positive=positive, negative=negative, empty_conditioning=other))
    else:
        run(dual_cfg_guider(model=model, cond1=positive, cond2=other, negative=negative, style=kind))
    assert any(7.0 in asked for asked in model.adapter.prompts) == (kind != "perp-neg")
