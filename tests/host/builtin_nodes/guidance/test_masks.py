"""Soft masks read as how long a place stays as it is (Levin & Fried 2023)."""

from __future__ import annotations

import pytest
import torch

from host.builtin_nodes.guidance.masks import DifferentialDiffusion
from host.builtin_nodes.sampling import parametrisation as kinds

MASK = torch.linspace(0, 1, 11).reshape(1, 1, 1, 11)
FLOW = kinds.flow(1.0)


def at(sigma: float, strength: float = 1.0, sigmas: tuple[float, ...] = (1.0, 0.5, 0.0)) -> list[float]:
    rule = DifferentialDiffusion(strength)
    found = rule(MASK, sigma, sigmas=torch.tensor(sigmas), parametrisation=FLOW)
    return [round(float(value), 4) for value in found.flatten()]


def test_each_cell_is_let_go_when_the_run_has_its_share_left() -> None:
    assert at(1.0) == [0.0] * 10 + [1.0]
    assert at(0.55) == [0.0] * 6 + [1.0] * 5
    assert at(0.001) == [1.0] * 11


def test_shares_are_those_of_the_run_and_not_of_the_model() -> None:
    assert at(0.8, sigmas=(0.8, 0.4)) == [0.0] * 10 + [1.0]
    assert at(0.4, sigmas=(0.8, 0.4)) == [1.0] * 11


@pytest.mark.parametrize(("strength", "wanted"), [(0.5, 0.25), (0.2, 0.4), (0.0, 0.0), (1.0, 0.0)])
def test_below_full_strength_a_part_of_the_softness_stays(strength: float, wanted: float) -> None:
    assert at(0.75, strength)[5] == pytest.approx(wanted)
