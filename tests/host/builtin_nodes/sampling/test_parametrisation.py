from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.predictions import Clean, CosmosFlow, Edm, Epsilon, RectifiedFlow, Velocity

SIGMAS = st.floats(0.01, 50.0)

ALL: dict[str, Parametrisation] = {
    "discrete": kinds.discrete(),
    "zero_snr": kinds.discrete(Velocity(), zero_snr=True),
    "flow": kinds.flow(),
    "flux": kinds.flux(),
    "edm": kinds.continuous_edm(0.002, 80.0),
    "continuous_v": kinds.continuous_v(),
    "cascade": kinds.cascade(),
    "cosmos": kinds.cosmos(),
}


@given(sigma=SIGMAS)
def test_a_network_that_predicts_the_noise_exactly_gives_back_the_latent(sigma: float) -> None:
    latent, noise, level = torch.tensor([0.5, -1.0]), torch.tensor([1.5, 0.25]), torch.tensor(sigma)
    x = Epsilon().noise_scaling(level, noise, latent, max_denoise=False)
    torch.testing.assert_close(Epsilon().denoised(level, noise, x), latent, atol=1e-5, rtol=0)


@given(sigma=SIGMAS)
def test_a_network_that_predicts_v_exactly_gives_back_the_latent(sigma: float) -> None:
    latent, noise, level = torch.tensor([0.5, -1.0]), torch.tensor([1.5, 0.25]), torch.tensor(sigma)
    alpha, beta = 1 / (1 + level**2) ** 0.5, level / (1 + level**2) ** 0.5
    x = Velocity().noise_scaling(level, noise, latent, max_denoise=False)
    torch.testing.assert_close(Velocity().denoised(level, alpha * noise - beta * latent, x), latent, atol=1e-4, rtol=0)


@given(sigma=SIGMAS)
def test_the_edm_scalings_undo_their_own_target(sigma: float) -> None:
    prediction, level = Edm(0.5), torch.tensor(sigma)
    latent, x = torch.tensor([0.5, -1.0]), torch.tensor([2.0, -3.0])
    skip = 0.25 / (level**2 + 0.25)
    target = (latent - skip * x) / (level * 0.5 / (level**2 + 0.25) ** 0.5)
    torch.testing.assert_close(prediction.denoised(level, target, x), latent, atol=1e-4, rtol=0)


@given(sigma=st.floats(0.01, 0.99))
def test_a_flow_network_that_predicts_the_direction_exactly_gives_back_the_latent(sigma: float) -> None:
    latent, noise, level = torch.tensor([0.5, -1.0]), torch.tensor([1.5, 0.25]), torch.tensor(sigma)
    x = RectifiedFlow().noise_scaling(level, noise, latent, max_denoise=False)
    torch.testing.assert_close(RectifiedFlow().denoised(level, noise - latent, x), latent, atol=1e-5, rtol=0)


def test_a_network_that_predicts_the_latent_is_taken_at_its_word() -> None:
    answer = torch.tensor([0.5])
    assert torch.equal(Clean().denoised(torch.tensor(3.0), answer, torch.tensor([9.0])), answer)


@given(sigma=SIGMAS)
def test_cosmos_is_a_flow_in_other_words(sigma: float) -> None:
    latent, noise, level = torch.tensor([0.5, -1.0]), torch.tensor([1.5, 0.25]), torch.tensor(sigma)
    x = CosmosFlow().noise_scaling(level, noise, latent, max_denoise=False)
    torch.testing.assert_close(CosmosFlow().denoised(level, noise - latent, x), latent, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ALL)
def test_tables_rise_and_are_float32(name: str) -> None:
    sigmas = ALL[name].sigmas
    assert sigmas.dtype == torch.float32
    assert bool((sigmas.diff() >= 0).all())
    assert (ALL[name].sigma_min, ALL[name].sigma_max) == (float(sigmas[0]), float(sigmas[-1]))


@pytest.mark.parametrize("name", ALL)
def test_a_later_percentage_means_a_lower_level(name: str) -> None:
    levels = [ALL[name].percent_to_sigma(percent / 10) for percent in range(11)]
    assert levels == sorted(levels, reverse=True)
    assert (ALL[name].sigma_at(0.0), ALL[name].sigma_at(1.0)) == (ALL[name].sigma_max, ALL[name].sigma_min)


@given(index=st.integers(0, 999), off=st.floats(-0.001, 0.001))
def test_a_level_near_a_table_entry_gets_its_timestep(index: int, off: float) -> None:
    subject = ALL["discrete"]
    assert int(subject.timestep(subject.sigmas[index] * (1 + off))) == index


def test_timesteps_keep_the_shape_of_the_levels() -> None:
    subject = ALL["discrete"]
    assert subject.timestep(subject.sigmas[[3, 7]]).tolist() == [3, 7]
    assert subject.timestep(subject.sigmas[3]).shape == ()


def test_a_distilled_table_counts_in_training_steps() -> None:
    levels = kinds.DiscreteLevels(ALL["discrete"].sigmas[19::20], stride=20)
    assert len(levels.sigmas) == 50
    assert int(levels.timestep(levels.sigmas[6])) == 139
    torch.testing.assert_close(levels.sigma(torch.tensor(139.0)), levels.sigmas[6])


def test_the_highest_level_is_recognised_within_its_rounding() -> None:
    subject = ALL["discrete"]
    assert subject.starts_at_maximum(subject.sigma_max * (1 - 5e-6))
    assert subject.starts_at_maximum(subject.sigma_max + 100)
    assert not subject.starts_at_maximum(subject.sigma_max * 0.999)


def test_flux_at_its_reference_sizes_has_its_reference_shifts() -> None:
    assert kinds.flux_mu(256, 256) == pytest.approx(0.5)
    assert kinds.flux_mu(1024, 1024) == pytest.approx(1.15)
