"""Guidance away from a weakened network: when it acts, on what, and by how much."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from host.builtin_nodes.guidance.perturbation import (
    MIDDLE,
    PerturbedAttention,
    SelfAttentionGuidance,
    SkipLayers,
    SkipNegativeLayers,
    Stretch,
)
from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.patches import PatchCall
from host.builtin_nodes.sampling.rules import Step
from tests.host.builtin_nodes.guidance.steps import Asked, step

FLOW = kinds.flow()
SKIPPED = frozenset({("double_block", 7), ("single_block", 0)})
ALWAYS = Stretch(0.0, 1.0)


def asked(of: Step) -> Asked:
    assert isinstance(of.predict, Asked)
    return of.predict


@pytest.mark.parametrize(
    ("sigma", "inside"),
    [(1.0, False), (0.9, True), (0.75, True), (0.7501, True), (0.7499, False), (0.9001, False), (0.1, False)],
)
def test_a_stretch_includes_both_of_its_ends(sigma: float, inside: bool) -> None:
    # With shift 3, a quarter of the run ends at 0.9 and half of it at 0.75.
    assert Stretch(0.25, 0.5)(sigma, FLOW) is inside


def test_a_whole_run_is_from_the_highest_level_to_zero() -> None:
    assert all(ALWAYS(sigma, FLOW) for sigma in (1.0, 0.5, 0.0))
    assert all(ALWAYS(sigma, kinds.discrete()) for sigma in (14.61, 100.0, 0.0))
    assert not Stretch(0.5, 0.25)(0.8, FLOW)


@pytest.mark.parametrize("rescale", [0.0, 0.5, 1.0])
def test_skipped_layers_push_the_estimate_and_its_spread_is_brought_back(rescale: float) -> None:
    at = step(sigma=0.8, parametrisation=FLOW)
    found = SkipLayers(SKIPPED, 3.0, ALWAYS, rescale)(at, at.negative)
    pushed = at.negative + (at.positive - asked(at).answer) * 3.0
    torch.testing.assert_close(found, pushed * (rescale * at.positive.std() / pushed.std() + 1 - rescale))
    ((side, x, patches),) = asked(at).calls
    assert (side, x, patches.skipped) == ("positive", None, SKIPPED)


@pytest.mark.parametrize(("scale", "stretch"), [(0.0, ALWAYS), (3.0, Stretch(0.5, 1.0)), (-1.0, ALWAYS)])
def test_outside_of_its_stretch_and_without_strength_nothing_is_evaluated(scale: float, stretch: Stretch) -> None:
    at = step(sigma=0.8, parametrisation=FLOW)
    assert SkipLayers(SKIPPED, scale, stretch)(at, at.negative) is at.negative
    assert asked(at).calls == []


def test_the_negative_side_skips_layers_in_its_stretch_alone() -> None:
    rule = SkipNegativeLayers(SKIPPED, Stretch(0.0, 0.5))
    found = rule(0.75, FLOW)
    assert found is not None
    assert found.skipped == SKIPPED
    assert rule(0.74, FLOW) is None


def test_perturbed_attention_looks_at_each_cell_alone() -> None:
    at = step()
    found = PerturbedAttention(2.0)(at, at.negative)
    torch.testing.assert_close(found, at.negative + (at.positive - asked(at).answer) * 2.0)
    ((_, _, patches),) = asked(at).calls
    value = torch.randn(1, 4, 8)
    call = PatchCall(sigma=3.0, shape=(1, 4, 8, 8), sides=("positive",))
    assert patches.self_attention[MIDDLE](value * 2, value * 3, value, call) is value
    assert PerturbedAttention(0.0)(at, at.negative) is at.negative
    assert len(asked(at).calls) == 1


def queries(tokens: int, width: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value of two sides, negative first."""
    generator = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(2, tokens, width, generator=generator) for _ in range(3))
    return 3 * q, 3 * k, v


def recorded(rule: SelfAttentionGuidance, tokens: int, heads: int = 2) -> tuple[Tensor, Tensor]:
    """(attention as the network gets it, how much each token of the negative side got)."""
    q, k, v = queries(tokens)
    call = PatchCall(sigma=3.0, shape=(2, 4, 8, 8), sides=("negative", "positive"), heads=heads)
    out = rule.record(q, k, v, call)
    split = [tensor.unflatten(-1, (heads, -1)).transpose(1, 2) for tensor in (q, k, v)]
    wanted = torch.nn.functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)
    weights = (split[0][0] @ split[1][0].transpose(-2, -1) / math.sqrt(q.shape[-1] / heads)).softmax(-1)
    return out, weights.mean(0).sum(0)


@pytest.mark.parametrize(("size", "grid"), [((8, 8), (2, 2)), ((12, 20), (3, 5)), ((9, 5), (3, 2))])
def test_what_got_most_attention_is_blurred(size: tuple[int, int], grid: tuple[int, int]) -> None:
    rule = SelfAttentionGuidance(0.5, 2.0)
    _, attention = recorded(rule, grid[0] * grid[1])
    at = step((1, 4, *size))
    found = rule(at, at.positive)
    salient = (attention > 1).float().reshape(1, 1, *grid)
    mask = torch.nn.functional.interpolate(salient, size)
    blurred = torch.from_numpy(gaussian_filter(at.negative.numpy(), 2.0, mode="mirror", radius=4, axes=(2, 3)))
    degraded = blurred * mask + at.negative * (1 - mask)
    assert 0 < float(mask.mean()) < 1
    ((side, x, _),) = asked(at).calls
    assert side == "negative"
    torch.testing.assert_close(x, degraded + at.x - at.negative, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found, at.positive + (degraded - asked(at).answer) * 0.5, atol=1e-5, rtol=1e-5)


def test_latents_too_small_to_be_blurred_are_left_alone() -> None:
    rule = SelfAttentionGuidance(0.5, 2.0)
    recorded(rule, 4)
    at = step((1, 4, 4, 20))
    assert rule(at, at.positive) is at.positive


def test_a_blur_of_no_width_changes_nothing_but_asks() -> None:
    rule = SelfAttentionGuidance(0.5, 0.0)
    recorded(rule, 4)
    at = step((1, 4, 8, 8))
    rule(at, at.positive)
    torch.testing.assert_close(asked(at).calls[0][1], at.x, atol=1e-5, rtol=1e-5)
