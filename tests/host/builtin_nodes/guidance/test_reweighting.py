"""Rules for the strength and spread of guidance, against diffusers' guiders and against the definitions in float64."""

from __future__ import annotations

import pytest
import torch
from diffusers.guiders.classifier_free_zero_star_guidance import cfg_zero_star_scale
from diffusers.guiders.guider_utils import rescale_noise_cfg
from torch import Tensor

from host.builtin_nodes.guidance.reweighting import (
    CfgNorm,
    CfgZeroStar,
    EpsilonScaling,
    FrameGuidance,
    Mahiro,
    RenormCfg,
    RescaleCfg,
)
from host.builtin_nodes.sampling.guidance import classifier_free
from host.builtin_nodes.sampling.predictions import Velocity
from host.builtin_nodes.sampling.rules import Step
from tests.host.builtin_nodes.guidance.steps import step


def length(value: Tensor) -> Tensor:
    return value.flatten(1).norm(dim=1)


@pytest.mark.parametrize("multiplier", [0.0, 0.3, 1.0])
def test_rescaled_guidance_is_that_of_the_paper_on_the_velocity(multiplier: float) -> None:
    asked = step()
    sigma = torch.tensor(asked.sigma)
    variance = sigma**2 + 1
    velocities = [(asked.x / variance - side) * variance**0.5 / sigma for side in (asked.positive, asked.negative)]
    positive, negative = velocities
    guided = rescale_noise_cfg(negative + asked.cfg * (positive - negative), positive, multiplier)
    torch.testing.assert_close(RescaleCfg(multiplier)(asked), Velocity().denoised(sigma, guided, asked.x))


def test_rescaling_nothing_is_plain_guidance() -> None:
    torch.testing.assert_close(RescaleCfg(0.0)(step()), classifier_free(step()))


def test_each_column_of_a_video_is_rescaled_by_itself() -> None:
    video = step((1, 4, 3, 5, 2))
    found = RescaleCfg(1.0)(video)
    for column in range(2):
        parts = {name: getattr(video, name)[..., column] for name in ("x", "positive", "negative")}
        torch.testing.assert_close(found[..., column], RescaleCfg(1.0)(step((1, 4, 3, 5), **parts)))


def test_the_zero_star_fit_is_guidance_from_the_scaled_negative_velocity() -> None:
    asked = step(sigma=0.6)
    positive, negative = (asked.x - asked.positive, asked.x - asked.negative)
    fit = cfg_zero_star_scale(positive.flatten(1), negative.flatten(1))[:, :, None, None]
    # On estimates instead of velocities, the fitted negative is fit * negative.
    wanted = asked.negative * fit + asked.cfg * (asked.positive - asked.negative * fit)
    torch.testing.assert_close(CfgZeroStar()(asked, classifier_free(asked)), wanted, atol=2e-5, rtol=0)


@pytest.mark.parametrize("strength", [0.0, 0.7, 2.0])
def test_no_cell_becomes_longer_than_the_positive_one(strength: float) -> None:
    asked = step()
    found = CfgNorm(strength)(asked, classifier_free(asked))
    assert bool((found.norm(dim=1) <= asked.positive.norm(dim=1) * strength + 1e-5).all())
    unguided = asked.positive * 0.5
    torch.testing.assert_close(CfgNorm(strength)(asked, unguided), unguided * strength)


def test_each_sample_is_brought_back_to_its_own_length() -> None:
    asked = step((3, 4, 5, 5), cfg=9.0)
    found = RenormCfg(100.0, 1.5)(asked)
    torch.testing.assert_close(length(found), 1.5 * length(asked.positive))
    torch.testing.assert_close(RenormCfg(100.0, 0.0)(asked), classifier_free(asked))


@pytest.mark.parametrize(
    ("sigma", "truncation", "guided"),
    [(0.7, 0.7, False), (0.9, 0.9, False), (3.0, 3.0, False), (0.69, 0.7, True), (0.71, 0.7, False), (3.0, 100, True)],
)
def test_guidance_ends_at_the_level_of_truncation_itself(sigma: float, truncation: float, guided: bool) -> None:
    asked = step(sigma=float(torch.tensor(sigma)))
    wanted = classifier_free(asked) if guided else asked.positive
    torch.testing.assert_close(RenormCfg(truncation, 0.0)(asked), wanted)


def test_frames_are_guided_ever_more_strongly_or_most_in_the_middle() -> None:
    asked = step((5, 4, 3, 3), cfg=5.0)

    def strengths(rule: FrameGuidance) -> list[float]:
        shares = (rule(asked) - asked.negative) / (asked.positive - asked.negative)
        return [round(float(share.median()), 3) for share in shares]

    assert strengths(FrameGuidance(1.0, triangle=False)) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert strengths(FrameGuidance(1.0, triangle=True)) == [1.0, 3.0, 5.0, 3.0, 1.0]


@pytest.mark.parametrize("triangle", [False, True])
def test_a_lone_frame_is_guided_by_the_lowest_strength(triangle: bool) -> None:
    asked = step((1, 4, 3, 3))
    torch.testing.assert_close(FrameGuidance(1.0, triangle=triangle)(asked), asked.positive)


def test_the_predicted_noise_is_divided() -> None:
    asked = step()
    found = EpsilonScaling(1.25)(asked, asked.positive)
    torch.testing.assert_close((asked.x - found) * 1.25, asked.x - asked.positive)


def test_where_prompts_agree_guidance_stays_and_where_they_oppose_the_scaled_positive_takes_over() -> None:
    def mixed(negative: Tensor) -> tuple[Tensor, Step]:
        asked = step(positive=torch.ones(1, 4, 2, 2), negative=negative)
        return Mahiro()(asked, torch.full((1, 4, 2, 2), 3.0)), asked

    alike, asked = mixed(torch.ones(1, 4, 2, 2))
    torch.testing.assert_close(alike, torch.full_like(alike, 3.0))
    opposed, _ = mixed(-torch.ones(1, 4, 2, 2))
    torch.testing.assert_close(opposed, asked.positive * asked.cfg)
