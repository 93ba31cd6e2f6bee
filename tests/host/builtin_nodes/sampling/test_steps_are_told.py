"""Every sampler reports each of its steps, and ends within the step in which its job is cancelled."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.custom_sampling.guider_nodes import cfg_guider
from host.builtin_nodes.custom_sampling.noise_nodes import random_noise
from host.builtin_nodes.custom_sampling.run_nodes import sampler_custom_advanced
from host.builtin_nodes.custom_sampling.sampler_nodes import ksampler_select
from host.builtin_nodes.sampling.registry import SAMPLERS
from sdk import Cancelled
from tests.host.builtin_nodes.custom_sampling.counting_model import context, counting_model, prompt

SIGMAS = torch.tensor([14.6, 9.0, 5.0, 2.5, 1.0, 0.4, 0.0])
STEPS = len(SIGMAS) - 1
OWN_STEPS = {"dpm_fast", "dpm_adaptive"}
"""They choose the number of their steps themselves."""

NAMES = [sampler.name for sampler in SAMPLERS]


def run(name: str, told: Any, model: Any) -> Any:
    return sampler_custom_advanced(
        noise=random_noise(noise_seed=1),
        guider=cfg_guider(model, prompt(1.0), prompt(2.0), cfg=2.0),
        sampler=ksampler_select(sampler_name=name, context=told),
        sigmas=SIGMAS,
        latent_image={"samples": torch.full((1, 4, 8, 8), 0.5)},
        context=told,
    )


class Watched:
    """A context that cancels the job when a step is reported, and counts what is reported and evaluated."""

    def __init__(self, model: Any, cancel_at: int | None = None) -> None:
        self._context, self._model, self._cancel_at = context(), model, cancel_at
        self.reported: list[tuple[float, float]] = []
        self.evaluations: list[int] = []
        self.previews: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        self.reported.append((value, total))
        self.previews.append(preview)
        self.evaluations.append(len(self._model.adapter.prompts))
        if len(self.reported) == self._cancel_at:
            self._context.cancel.cancelled = True
        self._context.progress(value, total, preview=preview)


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_reported_once_in_order_and_with_a_preview(name: str) -> None:
    model = counting_model()
    told = Watched(model)
    run(name, told, model)
    values = [value for value, _ in told.reported]
    assert values == list(range(1, len(values) + 1))
    assert all(preview is not None for preview in told.previews)
    if name in OWN_STEPS:
        assert len(values) >= 2
    else:
        assert told.reported == [(step, STEPS) for step in range(1, STEPS + 1)]


@pytest.mark.parametrize("name", NAMES)
def test_a_cancelled_job_evaluates_the_model_no_more_once_a_step_is_reported(name: str) -> None:
    model = counting_model()
    told = Watched(model, cancel_at=2)
    with pytest.raises(Cancelled):
        run(name, told, model)
    assert len(told.reported) == 2
    assert len(model.adapter.prompts) == told.evaluations[-1]


@pytest.mark.parametrize("name", NAMES)
def test_no_step_goes_by_between_two_reports(name: str) -> None:
    """Between two reports lie no more evaluations than one step of the sampler takes."""
    model = counting_model()
    told = Watched(model)
    run(name, told, model)
    between = [late - early for early, late in zip(told.evaluations, told.evaluations[1:], strict=False)]
    assert max(between, default=0) <= (4 if name == "heunpp2" else 3)
