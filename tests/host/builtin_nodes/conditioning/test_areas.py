"""Limits of prompts: what the nodes write into every entry, and that they leave the given ones alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.conditioning.areas import (
    conditioning_set_area,
    conditioning_set_area_percentage,
    conditioning_set_area_percentage_video,
    conditioning_set_area_strength,
    conditioning_set_mask,
    conditioning_set_timestep_range,
)
from host.builtin_nodes.conditioning.prompts import conditioning_zero_out
from host.builtin_nodes.conditioning.properties import (
    conditioning_set_default_combine,
    conditioning_set_properties,
    conditioning_timesteps_range,
    pair_conditioning_set_properties_and_combine,
)


def prompts() -> list[list[Any]]:
    return [[torch.ones(1, 7, 3), {"pooled_output": torch.ones(1, 3), "strength": 3.0}], [torch.ones(1, 14, 3), {}]]


def options(conditioning: Any) -> list[dict[str, Any]]:
    """Without what the prompts had before, and with tensors as lists."""
    return [
        {name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in given.items()}
        for _, given in (
            [tensor, {k: v for k, v in known.items() if k != "pooled_output"}] for tensor, known in conditioning
        )
    ]


@pytest.mark.parametrize(
    ("limited", "written"),
    [
        (
            lambda given: conditioning_set_area(given, width=100, height=71, x=15, y=8, strength=0.0),
            {"area": (8, 12, 1, 1), "strength": 0.0, "set_area_to_bounds": False},
        ),
        (
            lambda given: conditioning_set_area_percentage(given, width=0.5, height=0.25, x=0.1, y=0.2, strength=2.0),
            {"area": ("percentage", 0.25, 0.5, 0.2, 0.1), "strength": 2.0, "set_area_to_bounds": False},
        ),
        (
            lambda given: conditioning_set_area_percentage_video(given, 0.5, 0.25, 0.75, 0.1, 0.2, 0.3, 2.0),
            {
                "area": ("percentage", 0.75, 0.25, 0.5, 0.3, 0.2, 0.1),
                "strength": 2.0,
                "set_area_to_bounds": False,
            },
        ),
        (lambda given: conditioning_set_area_strength(given, strength=0.5), {"strength": 0.5}),
        (lambda given: conditioning_set_timestep_range(given, 0.2, 0.1), {"start_percent": 0.2, "end_percent": 0.1}),
        (
            lambda given: conditioning_set_mask(
                conditioning=given, mask=torch.zeros(1, 2), strength=0.5, set_cond_area="mask bounds"
            ),
            {"mask": [[[0.0, 0.0]]], "set_area_to_bounds": True, "mask_strength": 0.5},
        ),
        (
            lambda given: conditioning_set_mask(
                conditioning=given, mask=torch.zeros(2, 1, 2), strength=1.5, set_cond_area="default"
            ),
            {"mask": [[[0.0, 0.0]]] * 2, "set_area_to_bounds": False, "mask_strength": 1.5},
        ),
    ],
)
def test_each_entry_gets_the_limit_and_the_given_prompt_stays(limited: Any, written: dict[str, Any]) -> None:
    given = prompts()
    assert options(limited(given)) == [{"strength": 3.0, **written}, written]
    assert options(given) == options(prompts())


def test_several_limits_can_be_set_at_once_and_none_of_them_must() -> None:
    (stretch, before, after) = conditioning_timesteps_range(0.25, 0.5)
    assert (stretch, before, after) == ((0.25, 0.5), (0.0, 0.25), (0.5, 1.0))
    found = conditioning_set_properties(
        cond_NEW=prompts(), strength=0.5, set_cond_area="mask bounds", mask=torch.zeros(1, 2), timesteps=stretch
    )
    limits = {"mask": [[[0.0, 0.0]]], "set_area_to_bounds": True, "mask_strength": 0.5}
    limits |= {"start_percent": 0.25, "end_percent": 0.5}
    assert options(found) == [{"strength": 3.0, **limits}, limits]
    untouched = conditioning_set_properties(cond_NEW=prompts(), strength=0.5, set_cond_area="default")
    assert options(untouched) == options(prompts())


def test_limited_pairs_follow_what_was_there() -> None:
    positive, negative = pair_conditioning_set_properties_and_combine(
        positive=prompts()[:1],
        negative=[],
        positive_NEW=prompts()[1:],
        negative_NEW=prompts()[1:],
        strength=1.0,
        set_cond_area="default",
        timesteps=(0.0, 0.5),
    )
    limit = {"start_percent": 0.0, "end_percent": 0.5}
    assert options(positive) == [{"strength": 3.0}, limit]
    assert options(negative) == [limit]


def test_a_default_prompt_is_marked_as_one() -> None:
    found = conditioning_set_default_combine(prompts()[:1], prompts()[1:])
    assert options(found) == [{"strength": 3.0}, {"default": True}]


def test_zeros_take_the_place_of_any_number() -> None:
    odd = torch.tensor([[[float("nan"), float("inf"), -1.0]]])
    given = [
        [odd, {"pooled_output": odd[0], "conditioning_lyrics": odd, "strength": 2.0}],
        [odd, {"pooled_output": None}],
    ]
    found = conditioning_zero_out(given)
    assert torch.equal(found[0][0], torch.zeros(1, 1, 3))
    assert torch.equal(found[0][1]["pooled_output"], torch.zeros(1, 3))
    assert torch.equal(found[0][1]["conditioning_lyrics"], torch.zeros(1, 1, 3))
    assert found[0][1]["strength"] == 2.0
    assert found[1][1] == {"pooled_output": None}
    assert given[0][0] is odd
