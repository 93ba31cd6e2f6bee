from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.sampling.gits import gits, is_known
from host.builtin_nodes.sampling.step_tables import align_your_steps, last_share, optimal_steps, resampled

# As published with the papers.
PUBLISHED = {
    "SD1": [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152],
    "SDXL": [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113],
    "SVD": [700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034],
}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_ten_steps_are_the_published_ones(kind: str) -> None:
    assert align_your_steps(kind, 10).tolist() == pytest.approx([*PUBLISHED[kind], 0.0], rel=0.02)


@pytest.mark.parametrize("steps", [1, 2, 7, 33])
@pytest.mark.parametrize("kind", ["FLUX", "Wan", "Chroma"])
def test_any_number_of_steps_falls_to_zero(kind: str, steps: int) -> None:
    sigmas = optimal_steps(kind, steps)
    assert (len(sigmas), float(sigmas[-1])) == (steps + 1, 0.0)
    assert bool((sigmas.diff() < 0).all())


def test_levels_between_two_entries_are_their_geometric_mean() -> None:
    assert resampled([16.0, 4.0, 1.0], 4).tolist() == pytest.approx([16.0, 8.0, 4.0, 2.0, 1.0])


def test_a_share_of_the_steps_is_their_end() -> None:
    levels = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5])
    assert last_share(levels, 0.5).tolist() == [2.0, 1.0, 0.0]
    assert last_share(levels, 0.1).tolist() == [0.0]
    assert len(last_share(levels, 0.0)) == 0
    assert levels[-1] == 0.5


@pytest.mark.parametrize("coeff", [0.8, 0.85, 0.9, 1.0, 1.2, 1.35, 1.5])
@pytest.mark.parametrize("steps", [2, 3, 7, 10, 15, 20, 41])
def test_trajectory_schedules_fall_from_the_top_to_zero(coeff: float, steps: int) -> None:
    sigmas = gits(coeff, steps)
    assert (len(sigmas), float(sigmas[-1])) == (steps + 1, 0.0)
    assert float(sigmas[0]) == pytest.approx(14.614641)
    assert bool((sigmas.diff() < 0).all())


def test_higher_coefficients_have_more_steps_at_low_levels() -> None:
    middles = [float(gits(coeff, 8)[4]) for coeff in (0.8, 0.95, 1.1, 1.2, 1.4, 1.5)]
    assert middles == sorted(middles, reverse=True)


@pytest.mark.parametrize(
    ("coeff", "steps", "known"),
    [(1.2, 10, True), (1.2, 11, False), (0.85, 30, True), (0.85, 10, False), (1.0, 20, False)],
)
def test_it_is_said_which_levels_are_the_programmes_own(coeff: float, steps: int, known: bool) -> None:
    assert is_known(coeff, steps) is known
