from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling import schedulers
from host.builtin_nodes.sampling.registry import SCHEDULERS
from sdk.sampling import Scheduler

MODELS = [kinds.discrete(), kinds.flow(), kinds.continuous_edm(0.002, 80.0)]
BY_NAME = {scheduler.name: scheduler for scheduler in SCHEDULERS}


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=lambda scheduler: scheduler.name)
@settings(deadline=None)  # the first call may import SciPy
@given(steps=st.integers(2, 60), model=st.sampled_from(MODELS))
def test_schedules_fall_to_zero(scheduler: Scheduler, steps: int, model: kinds.Parametrisation) -> None:
    sigmas = scheduler.function(model, steps)
    assert sigmas.dtype == torch.float32
    assert bool((sigmas.diff() < 0).all())
    assert sigmas[-1] == 0
    assert sigmas[0] <= model.sigma_max * (1 + 1e-6)


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - {"ddim_uniform", "beta"}))
@given(steps=st.integers(2, 60))
def test_schedules_have_one_level_more_than_steps(name: str, steps: int) -> None:
    assert len(BY_NAME[name].function(MODELS[0], steps)) == steps + 1


def test_karras_levels_are_even_in_the_seventh_root() -> None:
    roots = schedulers.karras(6, 0.1, 10.0)[:-1] ** (1 / 7)
    torch.testing.assert_close(roots.diff(), roots.diff().mean().expand(5))


def test_exponential_levels_have_a_constant_ratio() -> None:
    logs = schedulers.exponential(6, 0.1, 10.0)[:-1].log()
    torch.testing.assert_close(logs.diff(), logs.diff().mean().expand(5))


def test_the_optimal_levels_are_undefined_for_one_step() -> None:
    first, last = schedulers.kl_optimal(1, 0.1, 10.0).tolist()
    assert math.isnan(first)
    assert last == 0


def test_beta_levels_are_never_repeated() -> None:
    sigmas = schedulers.beta_schedule(MODELS[0], 2000)
    assert len(sigmas) == len(sigmas.unique()) < 2001


@pytest.mark.parametrize("shape", [(1.0, 1.0), (0.6, 0.6), (2.0, 1.0)])
def test_beta_levels_are_the_nearest_to_the_distributions_quantiles(shape: tuple[float, float]) -> None:
    table = MODELS[0].sigmas
    for steps in range(2, 30):
        quantiles = beta.ppf(1 - np.linspace(0, 1, steps, endpoint=False), *shape)
        expected = table[np.rint(quantiles * 999).astype(int)]
        assert torch.equal(schedulers.beta_schedule(MODELS[0], steps, *shape)[:-1], expected)


def test_a_table_that_begins_with_no_noise_needs_no_zero_appended() -> None:
    quiet = kinds.discrete(sigmas=torch.linspace(0, 1, 1000, dtype=torch.float64) ** 3)
    sigmas = schedulers.ddim_uniform_schedule(quiet, 10)
    assert sigmas[-1] == quiet.sigmas[1]
    assert len(sigmas) >= 11


def test_laplace_levels_stay_between_their_bounds_and_end_above_zero() -> None:
    sigmas = schedulers.laplace(10, 0.03, 14.0)
    assert (len(sigmas), float(sigmas.min()), float(sigmas.max())) == (10, pytest.approx(0.03), pytest.approx(14.0))


def test_turbo_levels_begin_at_the_share_of_the_run_asked_for() -> None:
    whole = schedulers.turbo(MODELS[0], 10)
    assert len(whole) == 11
    assert torch.equal(schedulers.turbo(MODELS[0], 2, 0.5), torch.cat([whole[5:7], torch.zeros(1)]))
