"""Every sampler computes on the device what it computes on the CPU, and doesn't make the program wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.consistency import consistency
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.builtin_nodes.sampling.run import sample
from host.builtin_nodes.sampling.steps import sampling_sigmas
from sdk.sampling import Sampler, Scheduler
from tests.support.pretend_cuda.chip import Chip

MODELS = {"noise": kinds.discrete(), "flow": kinds.flow()}
READS_ITS_ERROR = frozenset({"dpm_adaptive"})
"""Samplers that choose a step by what the last one came to."""

BY_NAME = {sampler.name: sampler for sampler in SAMPLERS}
SHAPE = (2, 4, 8, 8)
CUDA = torch.device("cuda", 0)


@dataclass(frozen=True, eq=False)
class Formula:
    """A model without weights."""

    parametrisation: Parametrisation
    device: torch.device

    def predict(self, x: Tensor, sigma: Tensor, entries: Sequence[Any], patches: Any = None) -> Tensor:
        level = sigma[0]
        answer = torch.tanh(self.parametrisation.model_input(level, x)) + entries[0].tensor.mean().item()
        return self.parametrisation.denoised(level, answer, x)

    def to_model(self, latent: Tensor) -> Tensor:
        return latent * 0.5

    def from_model(self, latent: Tensor) -> Tensor:
        return latent * 2.0


def _sampled(sampler: Sampler, model: Formula, steps: int, scheduler: Scheduler = SCHEDULERS[0]) -> Tensor:
    latent, noise, mask = torch.randn((3, *SHAPE), generator=torch.Generator().manual_seed(1))
    prompt = [[torch.ones(1, 2, 3), {}]]
    return sample(
        model,
        sampler=sampler,
        sigmas=sampling_sigmas(model.parametrisation, sampler, scheduler, steps, 1.0),
        positive=prompt,
        negative=prompt,
        cfg=3.0,
        latent=latent,
        noise=noise,
        seed=2,
        noise_mask=(mask[:, :1] > 0).float(),
    )


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", BY_NAME)
@torch.no_grad()
def test_numbers_are_those_of_the_cpu_and_steps_wait_for_nothing(chip: Chip, name: str, kind: str) -> None:
    sampler, parametrisation = BY_NAME[name], MODELS[kind]
    there = Formula(parametrisation, CUDA)
    chip.waits.clear()
    found = _sampled(sampler, there, 3)
    few = chip.waits.total()
    assert torch.equal(found, _sampled(sampler, Formula(parametrisation, torch.device("cpu")), 3))
    chip.waits.clear()
    _sampled(sampler, there, 5)
    assert chip.waits.total() == few or name in READS_ITS_ERROR, chip.waits


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda scheduler: scheduler.name)
@torch.no_grad()
def test_schedulers_serve_the_device(chip: Chip, scheduler: Scheduler) -> None:
    parametrisation = consistency()
    found, expected = (
        _sampled(BY_NAME["lcm"], Formula(parametrisation, device), 2, scheduler)
        for device in (CUDA, torch.device("cpu"))
    )
    assert torch.equal(found, expected)
