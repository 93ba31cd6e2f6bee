from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from host.builtin_nodes.custom_sampling import scheduler_nodes as schedules
from host.builtin_nodes.custom_sampling import sigmas as levels
from host.builtin_nodes.custom_sampling.sigma_nodes import set_first_sigma
from sdk import NodeError

RUN = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0])


@pytest.mark.parametrize("step", [0, 1, 3, 4, 9])
def test_both_parts_of_a_cut_run_have_the_level_at_the_cut(step: int) -> None:
    high, low = levels.split_at(RUN, step)
    assert torch.equal(torch.cat([high, low[1:]]), RUN)
    assert len(low) == 0 or high[-1] == low[0]


@pytest.mark.parametrize(("denoise", "high", "low"), [(0.5, 3, 3), (1.0, 1, 5), (0.0, 0, 1), (0.6, 3, 3)])
def test_a_share_of_the_steps_is_rounded_to_whole_steps(denoise: float, high: int, low: int) -> None:
    assert [len(part) for part in levels.split_share(RUN, denoise)] == [high, low]


def test_a_run_turned_around_starts_above_zero_and_leaves_the_original_alone() -> None:
    turned = levels.flipped(RUN)
    assert turned.tolist() == pytest.approx([0.0001, 1.0, 2.0, 4.0, 8.0])
    assert RUN[-1] == 0
    assert len(levels.flipped(RUN[:0])) == 0


def test_another_first_level_leaves_the_original_alone() -> None:
    assert levels.with_first(RUN, 9.0).tolist() == [9.0, 4.0, 2.0, 1.0, 0.0]
    assert RUN[0] == 8


def test_an_empty_list_has_no_first_level_to_replace() -> None:
    with pytest.raises(NodeError, match="empty"):
        set_first_sigma(RUN[:0], 3.0)


@pytest.mark.parametrize(
    ("schedule", "zero"),
    [
        (schedules.karras_scheduler, "rho"),
        (schedules.exponential_scheduler, "sigma_max"),
        (schedules.exponential_scheduler, "sigma_min"),
        (schedules.polyexponential_scheduler, "sigma_min"),
    ],
)
def test_a_schedule_that_does_not_exist_at_zero_says_which_input_is(schedule: Callable[..., object], zero: str) -> None:
    with pytest.raises(NodeError, match=f"{zero} at 0"):
        schedule(**{zero: 0.0})


@pytest.mark.parametrize("spacing", levels.SPACINGS)
def test_divided_steps_still_fall_and_keep_their_ends(spacing: str) -> None:
    found = levels.refined(RUN, 3, math.inf, 2.0, spacing)
    assert len(found) == len(RUN) + 3 * 2
    assert bool((found.diff() < 0).all())
    assert set(RUN.tolist()) <= set(found.tolist())


def test_steps_outside_the_limits_stay_as_they_are() -> None:
    assert levels.refined(RUN, 2, 4.0, 4.0, "linear").tolist() == [8.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert len(levels.refined(RUN[:0], 2, 4.0, 4.0, "linear")) == 0


def test_a_single_level_is_added_whole() -> None:
    assert levels.added_noise_level(RUN[:1]) == 8
    assert levels.added_noise_level(RUN[:2]) == 4
