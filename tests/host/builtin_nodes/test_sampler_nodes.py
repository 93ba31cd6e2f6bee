from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Linear, Module

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.sampler_nodes import ksampler, ksampler_advanced
from host.builtin_nodes.sampling.noise import generator, start_noise
from host.builtin_nodes.sampling.parametrisation import Parametrisation, discrete
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from sdk import Cancelled, Identity, ModelHandle, NodeError
from tests.support.node_context import LoneContext, context_in

PROMPT = [[torch.zeros(1, 7, 3), {}]]


class NoNoise:
    """An adapter whose network finds no noise anywhere, and counts how often it is asked."""

    latent_format = LatentFormat(channels=4, scale=0.5)

    def __init__(self) -> None:
        self.calls = 0

    @property
    def parametrisation(self) -> Parametrisation:
        return discrete()

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {}

    def forward(self, module: Module, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        self.calls += 1
        return torch.zeros_like(x)


class OneModel:
    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Iterator[Module]:
        yield Linear(1, 1)


@pytest.fixture
def model() -> ModelHandle:
    identity = Identity(family="none", kind="denoiser", config={}, because="it is made for a test")
    return ModelHandle(key="k", part="denoiser", identity=identity, adapter=NoNoise())


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    context = context_in(tmp_path)
    context.models = OneModel()
    context.samplers = {sampler.name: sampler for sampler in SAMPLERS}
    context.schedulers = {scheduler.name: scheduler for scheduler in SCHEDULERS}
    return context


def _run(model: ModelHandle, context: LoneContext, latent: Tensor, **changes: Any) -> dict[str, Any]:
    settings = {
        "seed": 1,
        "steps": 3,
        "cfg": 2.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        "positive": PROMPT,
        "negative": PROMPT,
        "latent_image": {"samples": latent, "batch_index": [4, 2]},
    }
    result: dict[str, Any] = ksampler(model=model, context=context, **{**settings, **changes})
    return result


def _advanced(model: ModelHandle, context: LoneContext, latent: Tensor, **changes: Any) -> Tensor:
    settings = {
        "noise_seed": 1,
        "steps": 4,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "positive": PROMPT,
        "negative": PROMPT,
        "latent_image": {"samples": latent},
        "add_noise": "enable",
        "start_at_step": 0,
        "end_at_step": 10_000,
        "return_with_leftover_noise": "disable",
    }
    result: Tensor = ksampler_advanced(model=model, context=context, **{**settings, **changes})["samples"]
    return result


def test_progress_is_reported_once_a_step(model: ModelHandle, context: LoneContext) -> None:
    _run(model, context, torch.zeros(2, 4, 4, 4))
    assert context.said == [(1, 3), (2, 3), (3, 3)]


def test_what_comes_with_the_latent_stays_with_it(model: ModelHandle, context: LoneContext) -> None:
    result = _run(model, context, torch.zeros(2, 4, 4, 4))
    assert result["batch_index"] == [4, 2]
    assert (result["samples"].device.type, result["samples"].dtype) == ("cpu", torch.float32)


def test_noise_follows_seed_and_batch_index(model: ModelHandle, context: LoneContext) -> None:
    found = _run(model, context, torch.zeros(2, 4, 4, 4))["samples"]
    sigma = discrete().sigma_max
    noise = start_noise((2, 4, 4, 4), generator(1), [4, 2])
    torch.testing.assert_close(found, noise * (1 + sigma**2) ** 0.5 / 0.5)


def test_no_denoising_gives_the_latent_back(model: ModelHandle, context: LoneContext) -> None:
    latent = torch.rand(2, 4, 4, 4)
    torch.testing.assert_close(_run(model, context, latent, denoise=0.0)["samples"], latent, atol=0, rtol=0)
    assert context.said == []


def test_cancelling_stops_the_run_at_the_next_step(model: ModelHandle, context: LoneContext) -> None:
    context.cancel.cancelled = True
    with pytest.raises(Cancelled):
        _run(model, context, torch.zeros(2, 4, 4, 4))
    assert model.adapter.calls == 0


@pytest.mark.parametrize(("name", "kind"), [("sampler_name", "sampler"), ("scheduler", "scheduler")])
def test_unknown_names_are_refused_with_a_list_of_the_known(
    model: ModelHandle, context: LoneContext, name: str, kind: str
) -> None:
    with pytest.raises(NodeError, match=f"no {kind} called 'nonesuch'. Known are: .*(euler|karras)"):
        _run(model, context, torch.zeros(2, 4, 4, 4), **{name: "nonesuch"})


def test_an_empty_latent_gets_the_models_channels(model: ModelHandle, context: LoneContext) -> None:
    assert _run(model, context, torch.zeros(2, 16, 4, 4))["samples"].shape == (2, 4, 4, 4)


def test_a_latent_of_another_model_is_refused(model: ModelHandle, context: LoneContext) -> None:
    with pytest.raises(NodeError, match="16 channels"):
        _run(model, context, torch.ones(2, 16, 4, 4))


def test_conditioning_that_cannot_be_followed_is_refused(model: ModelHandle, context: LoneContext) -> None:
    prompt = [[torch.zeros(1, 7, 3), {"gligen": ()}]]
    with pytest.raises(NodeError, match="gligen"):
        _run(model, context, torch.zeros(2, 4, 4, 4), positive=prompt)


def test_a_run_in_two_parts_is_the_whole_run(model: ModelHandle, context: LoneContext) -> None:
    latent = torch.rand(1, 4, 4, 4)
    whole = _advanced(model, context, latent)
    first = _advanced(model, context, latent, end_at_step=2, return_with_leftover_noise="enable")
    second = _advanced(model, context, first, start_at_step=2, add_noise="disable")
    torch.testing.assert_close(second, whole)
    assert [value for value, _ in context.said] == [1, 2, 3, 4, 1, 2, 1, 2]


def test_a_start_beyond_the_end_gives_the_latent_back(model: ModelHandle, context: LoneContext) -> None:
    latent = torch.rand(1, 4, 4, 4)
    torch.testing.assert_close(_advanced(model, context, latent, start_at_step=9), latent, atol=0, rtol=0)
