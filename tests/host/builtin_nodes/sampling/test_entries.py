"""Where and when conditioning entries count."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor

from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling.entries import Entry, place_entries
from host.builtin_nodes.sampling.errors import AreaOutside, UnsupportedConditioning

LEVELS = kinds.discrete()
IMAGE = torch.zeros(1, 4, 16, 24)
VIDEO = torch.zeros(1, 4, 5, 16, 24)


def prompt(value: float = 1.0, **options: Any) -> list[Any]:
    return [torch.full((1, 7, 3), value), options]


def placed(*entries: list[Any], like: Tensor = IMAGE, negative: Any = ()) -> list[Entry]:
    return place_entries({"positive": entries, "negative": negative}, like, LEVELS)["positive"]


def test_an_entry_counts_everywhere_and_always_unless_it_says_otherwise() -> None:
    (entry,) = placed(prompt())
    assert (entry.area, entry.mask, entry.strength, entry.default) == (None, None, 1.0, False)
    assert entry.used_at(0.0)
    assert entry.used_at(1e9)


@pytest.mark.parametrize(
    ("given_area", "cells"),
    [
        ((8, 12, 4, 6), (8, 12, 4, 6)),
        ((64, 64, 4, 6), (12, 18, 4, 6)),
        (("percentage", 0.5, 0.25, 0.5, 0.75), (8, 6, 8, 18)),
        (("percentage", 0.01, 0.01, 0.0, 0.0), (1, 1, 0, 0)),
    ],
)
def test_areas_are_cells_or_shares_and_end_at_the_border(given_area: Any, cells: tuple[int, ...]) -> None:
    (entry,) = placed(prompt(area=given_area))
    assert entry.area == cells


def test_a_video_knows_areas_in_time_too() -> None:
    (shares,) = placed(prompt(area=("percentage", 0.4, 0.5, 0.5, 0.2, 0.0, 0.5)), like=VIDEO)
    assert shares.area == (2, 8, 12, 1, 0, 12)


@pytest.mark.parametrize("given_area", [(8, 12, 4, 6), ("percentage", 0.5, 0.5, 0.25, 0.25), (8, 100, 4, 6)])
def test_an_area_of_a_picture_is_that_of_every_frame_of_a_video(given_area: Any) -> None:
    (entry,) = placed(prompt(area=given_area), like=VIDEO)
    (of_picture,) = placed(prompt(area=given_area))
    assert of_picture.area is not None
    height, width, y, x = of_picture.area
    assert entry.area == (5, height, width, 0, y, x)


def test_an_area_of_a_picture_contains_one_of_a_stretch_of_a_video() -> None:
    inner, outer = prompt(1.0, area=(2, 4, 4, 1, 5, 7)), prompt(2.0, area=(8, 12, 4, 6))
    both = place_entries({"positive": [inner], "negative": [outer]}, VIDEO, LEVELS)
    assert [entry.area for entry in both["negative"]] == [(5, 8, 12, 0, 4, 6), (2, 4, 4, 1, 5, 7)]


def test_an_area_beyond_the_latent_is_named() -> None:
    with pytest.raises(AreaOutside, match="8 x 8 cells at \\(16, 0\\) lies outside the latent, which has 16 x 24"):
        placed(prompt(area=(8, 8, 16, 0)))


@given(height=some.integers(1, 40), width=some.integers(1, 40), y=some.integers(0, 15), x=some.integers(0, 23))
def test_any_area_that_starts_inside_stays_inside(height: int, width: int, y: int, x: int) -> None:
    (entry,) = placed(prompt(area=(height, width, y, x)))
    assert entry.area is not None
    found_height, found_width, *start = entry.area
    assert start == [y, x]
    assert 1 <= found_height <= min(height, 16 - y)
    assert 1 <= found_width <= min(width, 24 - x)


def test_percentages_of_the_run_become_levels() -> None:
    (entry,) = placed(prompt(start_percent=0.25, end_percent=0.75))
    assert entry.highest == pytest.approx(LEVELS.percent_to_sigma(0.25))
    assert entry.lowest == pytest.approx(LEVELS.percent_to_sigma(0.75))
    assert entry.used_at(entry.highest)
    assert entry.used_at(entry.lowest)
    assert not entry.used_at(entry.highest * 1.001)
    assert not entry.used_at(entry.lowest * 0.999)


def test_masks_come_to_the_size_of_the_latent_and_carry_their_strength() -> None:
    mask = torch.zeros(128, 192)
    mask[:, :96] = 1.0
    (entry,) = placed(prompt(mask=mask, mask_strength=0.5))
    assert entry.mask is not None
    assert entry.mask.shape == (1, 16, 24)
    assert entry.mask[0, :, :12].unique().tolist() == [0.5]
    assert entry.mask[0, :, 12:].unique().tolist() == [0.0]


def test_a_mask_can_set_the_area_to_its_bounds() -> None:
    mask = torch.zeros(1, 16, 24)
    mask[:, 2:13, 9:12] = 0.3
    (entry,) = placed(prompt(mask=mask, set_area_to_bounds=True))
    assert entry.area == (11, 8, 2, 9)
    (empty,) = placed(prompt(mask=torch.zeros(1, 16, 24), set_area_to_bounds=True))
    assert empty.area == (8, 8, 0, 0)


def test_the_bounds_of_a_mask_over_a_video_span_all_its_frames() -> None:
    mask = torch.zeros(1, 16, 24)
    mask[:, 2:13, 9:20] = 1.0
    (entry,) = placed(prompt(mask=mask, set_area_to_bounds=True), like=VIDEO)
    assert entry.area == (5, 11, 11, 0, 2, 9)


def test_the_other_side_gets_a_counterpart_with_its_own_prompt() -> None:
    sides = {"positive": [prompt(1.0, area=(8, 8, 0, 0), strength=0.7)], "negative": [prompt(2.0)]}
    negative = place_entries(sides, IMAGE, LEVELS)["negative"]
    assert [(entry.area, entry.strength, float(entry.tensor.mean())) for entry in negative] == [
        (None, 1.0, 2.0),
        ((8, 8, 0, 0), 0.7, 2.0),
    ]


def test_the_tightest_prompt_around_an_area_is_its_counterpart() -> None:
    outer, inner = (12, 12, 0, 0), (4, 4, 2, 2)
    sides = {"positive": [prompt(1.0, area=inner)], "negative": [prompt(2.0), prompt(3.0, area=outer)]}
    negative = place_entries(sides, IMAGE, LEVELS)["negative"]
    assert [float(entry.tensor.mean()) for entry in negative if entry.area == inner] == [3.0]


def test_nothing_is_added_for_an_area_both_sides_have() -> None:
    area = (8, 8, 0, 0)
    sides = {"positive": [prompt(area=area)], "negative": [prompt(area=area)]}
    assert [len(entries) for entries in place_entries(sides, IMAGE, LEVELS).values()] == [1, 1]


def test_control_is_shared_with_the_other_side_only_if_it_asks_for_that() -> None:
    control = object()
    shared = prompt(control=control, control_apply_to_uncond=True)
    for given_prompt, expected in ((shared, control), (prompt(control=control), None)):
        sides = {"positive": [given_prompt], "negative": [prompt()]}
        assert place_entries(sides, IMAGE, LEVELS)["negative"][0].control is expected


@pytest.mark.parametrize("option", ["gligen", "hooks"])
def test_what_can_not_be_followed_is_refused_by_name(option: str) -> None:
    with pytest.raises(UnsupportedConditioning, match=option):
        placed(prompt(**{option: object()}))
