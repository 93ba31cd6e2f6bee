"""Nodes that set several limits of a prompt, or of a pair of prompts, at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from host.builtin_nodes.conditioning.values import with_mask, with_values
from sdk import Conditioning, Mask, NodeType, Range, Socket, hookimpl, node

TimestepsRange = Annotated[Any, Socket("TIMESTEPS_RANGE", "(start, end), as shares of a run")]
Hooks = Annotated[Any, Socket("HOOKS", "changes of the model while a prompt is at work")]

_PAIR = "advanced/hooks/cond pair"
_SINGLE = "advanced/hooks/cond single"
_BOTH = ("positive", "negative")
_BOTH_TIPS = ("The positive prompts.", "The negative prompts.")
_RunShare = Annotated[float, Range(0.0, 1.0, 0.001)]
_Strength = Annotated[float, Range(0.0, 10.0, 0.01)]
_AreaKind = Literal["default", "mask bounds"]


@node(
    id="ConditioningTimestepsRange",
    title="Timesteps Range",
    category="advanced/hooks",
    names=("TIMESTEPS_RANGE", "BEFORE_RANGE", "AFTER_RANGE"),
    output_tooltips=("The stretch.", "What comes before it.", "What comes after it."),
    experimental=True,
)
def conditioning_timesteps_range(
    start_percent: _RunShare = 0.0, end_percent: _RunShare = 1.0
) -> tuple[TimestepsRange, TimestepsRange, TimestepsRange]:
    """Name a stretch of the run, and the two that are left beside it.

    Args:
        start_percent: Share of the run after which it begins.
        end_percent: Share of the run after which it ends.
    """
    return (start_percent, end_percent), (0.0, start_percent), (end_percent, 1.0)


@node(
    id="ConditioningSetProperties",
    title="Cond Set Props",
    category=_SINGLE,
    output_tooltips=("The prompt, limited.",),
    experimental=True,
)
def conditioning_set_properties(
    *,
    cond_NEW: Conditioning,  # noqa: N803 - the name in saved workflows
    strength: _Strength = 1.0,
    set_cond_area: _AreaKind,
    mask: Mask | None = None,
    hooks: Hooks | None = None,
    timesteps: TimestepsRange | None = None,
) -> Conditioning:
    """Limit a prompt to a mask and a stretch of the run.

    Args:
        cond_NEW: The prompt.
        strength: Factor for the mask.
        set_cond_area: With mask bounds the model looks at no more of the picture than the mask covers.
        mask: Where the prompt counts; everywhere without one.
        hooks: Changes of the model while the prompt is at work.
        timesteps: When the prompt counts; always without one.
    """
    return _limited(cond_NEW, strength, set_cond_area, mask, hooks, timesteps)


@node(
    id="ConditioningSetPropertiesAndCombine",
    title="Cond Set Props Combine",
    category=_SINGLE,
    output_tooltips=("Both prompts.",),
    experimental=True,
)
def conditioning_set_properties_and_combine(
    *,
    cond: Conditioning,
    cond_NEW: Conditioning,  # noqa: N803 - the name in saved workflows
    strength: _Strength = 1.0,
    set_cond_area: _AreaKind,
    mask: Mask | None = None,
    hooks: Hooks | None = None,
    timesteps: TimestepsRange | None = None,
) -> Conditioning:
    """Limit a prompt to a mask and a stretch of the run, and add it to others.

    Args:
        cond: The prompts it is added to.
        cond_NEW: The prompt that is limited.
        strength: Factor for the mask.
        set_cond_area: With mask bounds the model looks at no more of the picture than the mask covers.
        mask: Where the prompt counts; everywhere without one.
        hooks: Changes of the model while the prompt is at work.
        timesteps: When the prompt counts; always without one.
    """
    return [*cond, *_limited(cond_NEW, strength, set_cond_area, mask, hooks, timesteps)]


@node(
    id="ConditioningSetDefaultCombine",
    title="Cond Set Default Combine",
    category=_SINGLE,
    output_tooltips=("Both prompts.",),
    experimental=True,
)
def conditioning_set_default_combine(
    cond: Conditioning,
    cond_DEFAULT: Conditioning,  # noqa: N803 - the name in saved workflows
    hooks: Hooks | None = None,
) -> Conditioning:
    """Add a prompt that counts wherever the others leave room.

    Args:
        cond: The prompts that come first.
        cond_DEFAULT: The prompt for the rest.
        hooks: Changes of the model while that prompt is at work.
    """
    return [*cond, *_default(cond_DEFAULT, hooks)]


@node(
    id="PairConditioningSetProperties",
    title="Cond Pair Set Props",
    category=_PAIR,
    names=_BOTH,
    output_tooltips=_BOTH_TIPS,
    experimental=True,
)
def pair_conditioning_set_properties(
    *,
    positive_NEW: Conditioning,  # noqa: N803 - the name in saved workflows
    negative_NEW: Conditioning,  # noqa: N803 - the name in saved workflows
    strength: _Strength = 1.0,
    set_cond_area: _AreaKind,
    mask: Mask | None = None,
    hooks: Hooks | None = None,
    timesteps: TimestepsRange | None = None,
) -> tuple[Conditioning, Conditioning]:
    """Limit a positive and a negative prompt to the same mask and stretch of the run.

    Args:
        positive_NEW: The positive prompt.
        negative_NEW: The negative prompt.
        strength: Factor for the mask.
        set_cond_area: With mask bounds the model looks at no more of the picture than the mask covers.
        mask: Where the prompts count; everywhere without one.
        hooks: Changes of the model while the prompts are at work.
        timesteps: When the prompts count; always without one.
    """
    limits = (strength, set_cond_area, mask, hooks, timesteps)
    return _limited(positive_NEW, *limits), _limited(negative_NEW, *limits)


@node(
    id="PairConditioningSetPropertiesAndCombine",
    title="Cond Pair Set Props Combine",
    category=_PAIR,
    names=_BOTH,
    output_tooltips=_BOTH_TIPS,
    experimental=True,
)
def pair_conditioning_set_properties_and_combine(
    *,
    positive: Conditioning,
    negative: Conditioning,
    positive_NEW: Conditioning,  # noqa: N803 - the name in saved workflows
    negative_NEW: Conditioning,  # noqa: N803 - the name in saved workflows
    strength: _Strength = 1.0,
    set_cond_area: _AreaKind,
    mask: Mask | None = None,
    hooks: Hooks | None = None,
    timesteps: TimestepsRange | None = None,
) -> tuple[Conditioning, Conditioning]:
    """Limit a positive and a negative prompt to the same mask and stretch of the run, and add them to others.

    Args:
        positive: The positive prompts it is added to.
        negative: The negative prompts it is added to.
        positive_NEW: The positive prompt that is limited.
        negative_NEW: The negative prompt that is limited.
        strength: Factor for the mask.
        set_cond_area: With mask bounds the model looks at no more of the picture than the mask covers.
        mask: Where the prompts count; everywhere without one.
        hooks: Changes of the model while the prompts are at work.
        timesteps: When the prompts count; always without one.
    """
    limits = (strength, set_cond_area, mask, hooks, timesteps)
    return [*positive, *_limited(positive_NEW, *limits)], [*negative, *_limited(negative_NEW, *limits)]


@node(
    id="PairConditioningSetDefaultCombine",
    title="Cond Pair Set Default Combine",
    category=_PAIR,
    names=_BOTH,
    output_tooltips=_BOTH_TIPS,
    experimental=True,
)
def pair_conditioning_set_default_combine(
    positive: Conditioning,
    negative: Conditioning,
    positive_DEFAULT: Conditioning,  # noqa: N803 - the name in saved workflows
    negative_DEFAULT: Conditioning,  # noqa: N803 - the name in saved workflows
    hooks: Hooks | None = None,
) -> tuple[Conditioning, Conditioning]:
    """Add a positive and a negative prompt that count wherever the others leave room.

    Args:
        positive: The positive prompts that come first.
        negative: The negative prompts that come first.
        positive_DEFAULT: The positive prompt for the rest.
        negative_DEFAULT: The negative prompt for the rest.
        hooks: Changes of the model while those prompts are at work.
    """
    return [*positive, *_default(positive_DEFAULT, hooks)], [*negative, *_default(negative_DEFAULT, hooks)]


@node(
    id="PairConditioningCombine",
    title="Cond Pair Combine",
    category=_PAIR,
    names=_BOTH,
    output_tooltips=_BOTH_TIPS,
    experimental=True,
)
def pair_conditioning_combine(
    positive_A: Conditioning,  # noqa: N803 - the name in saved workflows
    negative_A: Conditioning,  # noqa: N803 - the name in saved workflows
    positive_B: Conditioning,  # noqa: N803 - the name in saved workflows
    negative_B: Conditioning,  # noqa: N803 - the name in saved workflows
) -> tuple[Conditioning, Conditioning]:
    """Let two pairs of prompts count side by side.

    Args:
        positive_A: The first pair's positive prompt.
        negative_A: The first pair's negative prompt.
        positive_B: The second pair's positive prompt.
        negative_B: The second pair's negative prompt.
    """
    return [*positive_A, *positive_B], [*negative_A, *negative_B]


def _limited(
    conditioning: Any, strength: float, set_cond_area: str, mask: Any, hooks: Any, timesteps: Any
) -> list[list[Any]]:
    limited = with_values(conditioning) if hooks is None else with_values(conditioning, hooks=hooks)
    if mask is not None:
        limited = with_mask(limited, mask, strength, set_cond_area)
    if timesteps is None:
        return limited
    return with_values(limited, start_percent=timesteps[0], end_percent=timesteps[1])


def _default(conditioning: Any, hooks: Any) -> list[list[Any]]:
    marked = with_values(conditioning, default=True)
    return marked if hooks is None else with_values(marked, hooks=hooks)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that set several limits at once."""
    return [
        *(conditioning_timesteps_range, conditioning_set_properties, conditioning_set_properties_and_combine),
        *(conditioning_set_default_combine, pair_conditioning_set_properties, pair_conditioning_combine),
        *(pair_conditioning_set_properties_and_combine, pair_conditioning_set_default_combine),
    ]
