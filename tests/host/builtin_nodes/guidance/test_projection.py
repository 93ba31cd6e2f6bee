"""Rules about the direction of guidance, against diffusers' guiders and against their definitions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers.guiders import adaptive_projected_guidance as projected
from diffusers.guiders import tangential_classifier_free_guidance as tangential

from host.builtin_nodes.guidance.projection import (
    Apg,
    FrequencyScaling,
    LatentOperationGuidance,
    PerpNeg,
    TangentialDamping,
)
from host.builtin_nodes.sampling.guidance import classifier_free, perpendicular_negative
from tests.host.builtin_nodes.guidance.steps import Asked, random_latents, step


@pytest.mark.parametrize(
    ("eta", "threshold"), [(1.0, 5.0), (0.0, 0.0), (0.5, 2.5), (-1.0, 50.0), (2.0, 0.0), (10.0, 0.1)]
)
@pytest.mark.parametrize("cfg", [1.5, 5.0, -2.0])
def test_projected_guidance_is_that_of_its_authors(eta: float, threshold: float, cfg: float) -> None:
    asked = step(cfg=cfg)
    wanted = projected.normalized_guidance(
        asked.positive, asked.negative, cfg, eta=eta, norm_threshold=threshold, use_original_formulation=True
    )
    torch.testing.assert_close(classifier_free(Apg(eta, threshold, 0.0)(asked)), wanted, atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize("momentum", [-0.5, 0.3, 1.0])
def test_earlier_guidance_is_added_until_the_level_rises(momentum: float) -> None:
    rule, buffer, memory = Apg(0.5, 3.0, momentum), projected.MomentumBuffer(momentum), {}
    for number, sigma in enumerate((7.0, 3.0, 3.0, 0.5)):
        asked = step(seed=number, sigma=sigma, memory=memory)
        wanted = projected.normalized_guidance(
            asked.positive, asked.negative, 5.0, buffer, 0.5, 3.0, use_original_formulation=True
        )
        torch.testing.assert_close(classifier_free(rule(asked)), wanted, atol=5e-5, rtol=1e-5)
    again = step(seed=9, sigma=7.0, memory=memory)
    torch.testing.assert_close(rule(again).positive, rule(replace(again, memory={})).positive)


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (3, 4, 9, 7), (2, 16, 3, 5, 4)])
def test_the_damped_negative_keeps_what_both_scores_share(shape: tuple[int, ...]) -> None:
    asked = step(shape)
    positive, negative = asked.x - asked.positive, asked.x - asked.negative
    # At scale 0 the guided score is the damped negative one.
    wanted = asked.x - tangential.normalized_guidance(positive, negative, 0.0)
    torch.testing.assert_close(TangentialDamping()(asked).negative, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rule", [TangentialDamping(), FrequencyScaling(0.5, 2.0, 3)])
def test_rules_on_both_sides_leave_a_lone_positive_alone(rule: TangentialDamping | FrequencyScaling) -> None:
    asked = step(has_negative=False)
    assert rule(asked) is asked


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.25), (0.5, 2.0)])
@pytest.mark.parametrize("cutoff", [1, 3, 4, 100])
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (12, 5)])
def test_each_frequency_is_scaled_by_its_side_of_the_cutoff(
    low: float, high: float, cutoff: int, size: tuple[int, int]
) -> None:
    asked = step((2, 4, *size))
    found = FrequencyScaling(low, high, cutoff)(asked).positive - asked.negative
    spectrum = torch.fft.fft2((asked.positive - asked.negative).double())

    def low_side(side: int) -> torch.Tensor:
        frequencies = (torch.fft.fftfreq(side) * side).round()
        reach = min(cutoff, side // 2)
        return (frequencies >= -reach) & (frequencies < reach)

    inside = low_side(size[0])[:, None] & low_side(size[1])[None]
    wanted = torch.fft.ifft2(spectrum * torch.where(inside, low, high)).real
    torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=0)


def test_an_operation_is_applied_to_the_guidance() -> None:
    asked = step()
    found = LatentOperationGuidance(lambda latent: latent * 0.5)(asked)
    torch.testing.assert_close(classifier_free(found), asked.negative + 2.5 * (asked.positive - asked.negative))
    assert found.negative is asked.negative


def test_beside_an_empty_prompt_an_operation_is_applied_to_the_positive_estimate() -> None:
    asked = step(has_empty=True)
    found = LatentOperationGuidance(lambda latent: latent * 0.5)(asked)
    torch.testing.assert_close(found.positive, asked.positive * 0.5)
    assert found.negative is asked.negative


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0])
def test_of_the_negative_only_what_is_perpendicular_counts(scale: float) -> None:
    (empty,) = random_latents(1, (2, 4, 9, 7), seed=5)
    asked = step(predict=Asked(empty))
    prompt = [[torch.zeros(1, 77, 8), {}]]
    found = PerpNeg(prompt, scale)(asked)
    torch.testing.assert_close(found, perpendicular_negative(asked, empty, scale))
    positive, negative = (side.double() - empty.double() for side in (asked.positive, asked.negative))
    perpendicular = negative - (negative * positive).sum() / (positive**2).sum() * positive
    assert abs(float((perpendicular * positive).sum())) < 1e-9
    wanted = empty + asked.cfg * (positive - scale * perpendicular)
    torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=0)
    assert [call[0] for call in asked.predict.calls] == [prompt]  # type: ignore[attr-defined]
