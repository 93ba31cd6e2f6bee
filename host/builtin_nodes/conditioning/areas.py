"""Nodes that say where in the picture, when in the run and how strongly a prompt counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from host.builtin_nodes.conditioning.values import with_mask, with_values
from sdk import Conditioning, Mask, NodeType, Range, hookimpl, node

_CELL = 8
"""Image pixels of a latent cell, along each side."""

_CATEGORY = "conditioning"
_LIMITED = ("The prompt, limited.",)
_Size = Annotated[int, Range(64, 16384, 8)]
_Position = Annotated[int, Range(0, 16384, 8)]
_Share = Annotated[float, Range(0, 1.0, 0.01)]
_RunShare = Annotated[float, Range(0.0, 1.0, 0.001)]
_Strength = Annotated[float, Range(0.0, 10.0, 0.01)]


@node(id="ConditioningSetArea", title="Conditioning (Set Area)", category=_CATEGORY, output_tooltips=_LIMITED)
def conditioning_set_area(
    conditioning: Conditioning,
    width: _Size = 64,
    height: _Size = 64,
    x: _Position = 0,
    y: _Position = 0,
    strength: _Strength = 1.0,
) -> Conditioning:
    """Limit a prompt to a rectangle of the picture.

    Args:
        conditioning: The prompt.
        width: Width of the rectangle, in pixels.
        height: Height of the rectangle, in pixels.
        x: Distance from the left edge, in pixels.
        y: Distance from the top, in pixels.
        strength: Weight of the prompt where it overlaps others.
    """
    area = tuple(length // _CELL for length in (height, width, y, x))
    return with_values(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(
    id="ConditioningSetAreaPercentage",
    title="Conditioning (Set Area with Percentage)",
    category=_CATEGORY,
    output_tooltips=_LIMITED,
)
def conditioning_set_area_percentage(
    conditioning: Conditioning,
    width: _Share = 1.0,
    height: _Share = 1.0,
    x: _Share = 0.0,
    y: _Share = 0.0,
    strength: _Strength = 1.0,
) -> Conditioning:
    """Limit a prompt to a rectangle given as shares of the picture, whatever its size.

    Args:
        conditioning: The prompt.
        width: Share of the picture's width.
        height: Share of the picture's height.
        x: Distance from the left edge, as a share of the width.
        y: Distance from the top, as a share of the height.
        strength: Weight of the prompt where it overlaps others.
    """
    area = ("percentage", height, width, y, x)
    return with_values(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(
    id="ConditioningSetAreaPercentageVideo",
    title="ConditioningSetAreaPercentageVideo",
    category=_CATEGORY,
    output_tooltips=_LIMITED,
)
def conditioning_set_area_percentage_video(
    conditioning: Conditioning,
    width: _Share = 1.0,
    height: _Share = 1.0,
    temporal: _Share = 1.0,
    x: _Share = 0.0,
    y: _Share = 0.0,
    z: _Share = 0.0,
    strength: _Strength = 1.0,
) -> Conditioning:
    """Limit a prompt to a rectangle and a stretch of time of a video, all given as shares of it.

    Args:
        conditioning: The prompt.
        width: Share of the video's width.
        height: Share of the video's height.
        temporal: Share of the video's length.
        x: Distance from the left edge, as a share of the width.
        y: Distance from the top, as a share of the height.
        z: Distance from the first frame, as a share of the length.
        strength: Weight of the prompt where it overlaps others.
    """
    area = ("percentage", temporal, height, width, z, y, x)
    return with_values(conditioning, area=area, strength=strength, set_area_to_bounds=False)


@node(
    id="ConditioningSetAreaStrength",
    title="ConditioningSetAreaStrength",
    category=_CATEGORY,
    output_tooltips=("The prompt with its new weight.",),
)
def conditioning_set_area_strength(conditioning: Conditioning, strength: _Strength = 1.0) -> Conditioning:
    """Set the weight that a prompt has among those combined with it.

    Args:
        conditioning: The prompt.
        strength: Its weight.
    """
    return with_values(conditioning, strength=strength)


@node(id="ConditioningSetMask", title="Conditioning (Set Mask)", category=_CATEGORY, output_tooltips=_LIMITED)
def conditioning_set_mask(
    *,
    conditioning: Conditioning,
    mask: Mask,
    strength: _Strength = 1.0,
    set_cond_area: Literal["default", "mask bounds"],
) -> Conditioning:
    """Limit a prompt to where a mask is bright; greys count in part.

    Args:
        conditioning: The prompt.
        mask: Where it counts; of any size.
        strength: Factor for the mask.
        set_cond_area: With mask bounds the model looks at no more of the picture than the mask covers.
    """
    return with_mask(conditioning, mask, strength, set_cond_area)


@node(
    id="ConditioningSetTimestepRange",
    title="ConditioningSetTimestepRange",
    category="advanced/conditioning",
    output_tooltips=_LIMITED,
)
def conditioning_set_timestep_range(
    conditioning: Conditioning, start: _RunShare = 0.0, end: _RunShare = 1.0
) -> Conditioning:
    """Limit a prompt to a stretch of the run: early steps decide on the layout, late ones on detail.

    Args:
        conditioning: The prompt.
        start: Share of the run after which it begins to count.
        end: Share of the run after which it no longer counts.
    """
    return with_values(conditioning, start_percent=start, end_percent=end)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that limit prompts."""
    return [
        *(conditioning_set_area, conditioning_set_area_percentage, conditioning_set_area_percentage_video),
        *(conditioning_set_area_strength, conditioning_set_mask, conditioning_set_timestep_range),
    ]
