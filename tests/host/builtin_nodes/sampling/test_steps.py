from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.builtin_nodes.sampling.steps import drop_penultimate, sampling_sigmas, scheduled_sigmas, trim

MODEL = kinds.discrete()
EULER = next(sampler for sampler in SAMPLERS if sampler.name == "euler")
DPM_2 = next(sampler for sampler in SAMPLERS if sampler.name == "dpm_2")
NORMAL = next(scheduler for scheduler in SCHEDULERS if scheduler.name == "normal")
LEVELS = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])


def test_half_a_denoise_is_the_last_half_of_a_run_twice_as_long() -> None:
    whole = sampling_sigmas(MODEL, EULER, NORMAL, 20)
    assert torch.equal(sampling_sigmas(MODEL, EULER, NORMAL, 10, 0.5), whole[-11:])
    assert torch.equal(scheduled_sigmas(MODEL, NORMAL, 10, 0.5), whole[-11:])


@pytest.mark.parametrize("denoise", [0.0, -1.0])
def test_no_denoise_is_no_steps(denoise: float) -> None:
    assert len(sampling_sigmas(MODEL, EULER, NORMAL, 10, denoise)) == 0
    assert len(scheduled_sigmas(MODEL, NORMAL, 10, denoise)) == 0


def test_samplers_that_drop_a_level_still_take_all_their_steps() -> None:
    sigmas = sampling_sigmas(MODEL, DPM_2, NORMAL, 10)
    longer = sampling_sigmas(MODEL, EULER, NORMAL, 11)
    assert sigmas.tolist() == [*longer[:-2].tolist(), 0.0]


def test_dropping_keeps_the_final_level() -> None:
    assert drop_penultimate(LEVELS).tolist() == [5, 4, 3, 2, 0]


def test_a_cut_end_is_denoised_wholly_unless_noise_is_to_be_left() -> None:
    assert trim(LEVELS, None, 2).tolist() == [5, 4, 0]
    assert trim(LEVELS, None, 2, leftover_noise=True).tolist() == [5, 4, 3]
    assert LEVELS.tolist() == [5, 4, 3, 2, 1, 0]


def test_a_start_skips_steps() -> None:
    assert trim(LEVELS, 3, None).tolist() == [2, 1, 0]
    assert trim(LEVELS, 3, 4).tolist() == [2, 0]


def test_starting_beyond_the_end_leaves_nothing() -> None:
    assert len(trim(LEVELS, 5, None)) == 0
    assert len(trim(LEVELS, 3, 2)) == 0


def test_an_end_beyond_the_schedule_changes_nothing() -> None:
    assert torch.equal(trim(LEVELS, 0, 10_000), LEVELS)
