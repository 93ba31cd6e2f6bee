from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.sampling import noise as noises
from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.ahead import WORKER
from host.builtin_nodes.sampling.registry import SAMPLERS
from host.builtin_nodes.sampling.run import sample
from tests.host.builtin_nodes.sampling.mixture import MixtureModel

PROMPT = [[torch.zeros(1, 4, 1), {}]]
NOISE = noises.start_noise((2, 4, 8, 8), noises.generator(1))
LATENT = torch.full((2, 4, 8, 8), 0.5)
SIGMAS = torch.tensor([2.0, 1.0, 0.5, 0.0])
BY_NAME = {sampler.name: sampler for sampler in SAMPLERS}


class ScaledModel(MixtureModel):
    """One Gaussian around 1, with latents scaled by 2 for the VAE."""

    def __init__(self, parametrisation: kinds.Parametrisation | None = None) -> None:
        means = torch.ones(1, 4, 8, 8)
        super().__init__(parametrisation or kinds.discrete(), means, torch.tensor([0.1]))
        self.scaled: list[Tensor] = []

    def to_model(self, latent: Tensor) -> Tensor:
        self.scaled.append(latent)
        return latent / 2

    def from_model(self, latent: Tensor) -> Tensor:
        return latent * 2


def run(model: ScaledModel, sampler: str = "euler", **changes: Any) -> Tensor:
    arguments: dict[str, Any] = {
        "sigmas": SIGMAS,
        "positive": PROMPT,
        "negative": PROMPT,
        "cfg": 1.0,
        "latent": LATENT,
        "noise": NOISE,
        "seed": 1,
    }
    return sample(model, sampler=BY_NAME[sampler], **{**arguments, **changes})


def test_the_result_is_what_the_model_knows_in_the_space_of_the_vae() -> None:
    torch.testing.assert_close(run(ScaledModel()), torch.full_like(LATENT, 2.0), atol=1.0, rtol=0)


def test_an_empty_latent_is_not_scaled() -> None:
    model = ScaledModel()
    run(model, latent=torch.zeros_like(LATENT))
    assert model.scaled == []


def test_no_levels_give_the_latent_back() -> None:
    model = ScaledModel()
    assert run(model, sigmas=torch.empty(0)) is LATENT
    assert model.called_sigmas == []


def test_one_level_only_noises() -> None:
    model = ScaledModel()
    torch.testing.assert_close(run(model, sigmas=torch.tensor([2.0])), (LATENT / 2 + 2 * NOISE) * 2)
    assert model.called_sigmas == []


def test_each_step_is_reported_once_with_its_level() -> None:
    seen: list[tuple[int, float]] = []
    run(ScaledModel(), "heun", callback=lambda step, x, sigma, denoised: seen.append((step, sigma)))
    assert seen == [(0, 2.0), (1, 1.0), (2, 0.5)]


def test_what_the_callback_raises_ends_the_run() -> None:
    model = ScaledModel()

    def stop(step: int, x: Tensor, sigma: float, denoised: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(model, callback=stop)
    assert len(model.called_sigmas) == 1


def drawing_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(WORKER)}


@pytest.mark.parametrize("sampler", ["dpmpp_sde", "dpmpp_3m_sde"])
def test_a_run_leaves_no_thread_that_draws_noise(sampler: str) -> None:
    before = set(threading.enumerate())
    run(ScaledModel(), sampler)
    assert not drawing_threads() - before

    def stop(step: int, x: Tensor, sigma: float, denoised: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(ScaledModel(), sampler, callback=stop)
    assert not drawing_threads() - before


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_sde"])
def test_the_same_seed_gives_the_same_result(sampler: str) -> None:
    assert torch.equal(run(ScaledModel(), sampler), run(ScaledModel(), sampler))


@pytest.mark.parametrize("sampler", ["euler_ancestral", "dpmpp_sde"])
def test_another_seed_gives_other_steps(sampler: str) -> None:
    assert not torch.equal(run(ScaledModel(), sampler), run(ScaledModel(), sampler, seed=2))


@pytest.mark.parametrize("sampler", ["euler", "ddim", "dpmpp_sde"])
def test_a_noise_mask_keeps_the_rest_of_the_latent(sampler: str) -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32:] = 1
    out = run(ScaledModel(), sampler, noise_mask=mask)
    torch.testing.assert_close(out[..., :3], LATENT[..., :3], atol=1e-5, rtol=0)
    assert float((out[..., 5:] - LATENT[..., 5:]).abs().min()) > 0.1


def test_ddim_noises_the_kept_area_from_a_stream_of_its_own() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    model, own = ScaledModel(), ScaledModel()
    run(model, "euler", noise_mask=mask)
    run(own, "ddim", noise_mask=mask)
    torch.testing.assert_close(model.first_x, LATENT / 2 + 2 * NOISE)
    torch.testing.assert_close(own.first_x, LATENT / 2 + 2 * noises.mask_noise(NOISE, 1))


def test_a_flow_run_that_stops_early_is_scaled_back_to_a_latent() -> None:
    flow = kinds.flow()
    model = ScaledModel(flow)
    out = run(model, sigmas=torch.tensor([0.8, 0.5]))
    again = flow.noise_scaling(torch.tensor(0.5), torch.zeros_like(out), out / 2)
    slope = (model.first_x - model.denoise(model.first_x, torch.tensor(0.8), torch.ones(1))) / 0.8
    torch.testing.assert_close(again, model.first_x - slope * 0.3, atol=1e-5, rtol=0)


def test_noise_that_continues_the_start_noise_knows_which_elements_that_was() -> None:
    churned = {"options": {"s_churn": 1.0}}
    assert not torch.equal(run(ScaledModel(), **churned), run(ScaledModel(), **churned, batch_index=[5, 2]))


def test_options_reach_the_sampler() -> None:
    assert torch.equal(
        run(ScaledModel(), "euler_ancestral", options={"eta": 0.0}),
        run(ScaledModel(), "euler_ancestral", options={"s_noise": 0.0, "eta": 0.0}),
    )
    with pytest.raises(TypeError, match="flavour"):
        run(ScaledModel(), "euler", options={"flavour": 1})
