"""Conditioning as nodes handle it: lists of ``[tensor, options]`` pairs that are never changed in place."""

from __future__ import annotations

from typing import Any


def with_values(conditioning: Any, **values: Any) -> list[list[Any]]:
    """The conditioning with options set on every entry."""
    return [[tensor, {**options, **values}] for tensor, options in conditioning]


def with_appended(conditioning: Any, name: str, value: Any) -> list[list[Any]]:
    """The conditioning with a value added to the list that each entry has under a name."""
    return [[tensor, {**options, name: [*options.get(name, ()), value]}] for tensor, options in conditioning]


def with_mask(conditioning: Any, mask: Any, strength: float, set_cond_area: str) -> list[list[Any]]:
    """The conditioning limited to a mask; with the area "mask bounds", the model sees no more than its box."""
    mask = mask[None] if mask.ndim < 3 else mask
    bounds = set_cond_area != "default"
    return with_values(conditioning, mask=mask, set_area_to_bounds=bounds, mask_strength=strength)
