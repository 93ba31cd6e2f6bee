"""How strongly a hooked patch acts over a run: keyframes, and the nodes that make them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from sdk import NodeContext, NodeType, Range, Socket, hookimpl, node

_CATEGORY = "advanced/hooks/scheduling"
_NAMES = ("HOOK_KF",)
_TIPS = ("The keyframes, in the order of the run.",)


@dataclass(frozen=True)
class HookKeyframe:
    """From a share of the run on, hooked patches act with this factor.

    Attributes:
        steps: at least so many steps, also where the next keyframe has begun.
    """

    start_percent: float
    strength: float
    steps: int = 1


@dataclass(frozen=True)
class HookKeyframes:
    """Keyframes in the order of their starts; of equal ones the later added comes later."""

    keyframes: tuple[HookKeyframe, ...] = ()

    def __iter__(self) -> Iterator[HookKeyframe]:
        return iter(self.keyframes)

    def with_added(self, *keyframes: HookKeyframe) -> HookKeyframes:
        """These and more."""
        return HookKeyframes(tuple(sorted((*self.keyframes, *keyframes), key=lambda item: item.start_percent)))


Keyframes = Annotated[Any, Socket("HOOK_KEYFRAMES", "how strongly a hooked patch acts over a run")]
_Share = Annotated[float, Range(0.0, 1.0, 0.001)]
_Strength = Annotated[float, Range(0.0, 10.0, 0.001)]

_EASINGS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda share: share,
    "ease_in": lambda share: share**2,
    "ease_out": lambda share: 1 - (1 - share) ** 2,
    "ease_in_out": lambda share: (1 - math.cos(share * math.pi)) / 2,
}


def interpolated(first: float, last: float, count: int, easing: str) -> list[float]:
    """``count`` values from ``first`` to ``last``, both included."""
    ease = _EASINGS[easing]
    return [first + (last - first) * ease(index / (count - 1)) for index in range(count)]


@node(
    id="CreateHookKeyframesInterpolated",
    title="Create Hook Keyframes Interp.",
    category=_CATEGORY,
    names=_NAMES,
    output_tooltips=_TIPS,
    experimental=True,
)
def create_hook_keyframes_interpolated(
    context: NodeContext,
    strength_start: _Strength = 1.0,
    strength_end: _Strength = 1.0,
    *,
    interpolation: Literal["linear", "ease_in", "ease_out", "ease_in_out"],
    start_percent: _Share = 0.0,
    end_percent: _Share = 1.0,
    keyframes_count: Annotated[int, Range(2, 100, 1)] = 5,
    print_keyframes: bool = False,
    prev_hook_kf: Keyframes | None = None,
) -> Keyframes:
    """Keyframes that lead a hooked patch's strength from one value to another.

    Args:
        strength_start: Strength at the first keyframe.
        strength_end: Strength at the last keyframe.
        interpolation: How it changes in between.
        start_percent: Share of the run at the first keyframe.
        end_percent: Share of the run at the last keyframe.
        keyframes_count: How many keyframes there are.
        print_keyframes: Write them to the log.
        prev_hook_kf: Keyframes to add these to.
    """
    shares = interpolated(start_percent, end_percent, keyframes_count, "linear")
    strengths = interpolated(strength_start, strength_end, keyframes_count, interpolation)
    pairs = enumerate(zip(shares, strengths, strict=True))
    added = [HookKeyframe(share, strength, steps=0 if index else 1) for index, (share, strength) in pairs]
    if print_keyframes:
        for keyframe in added:
            context.logger.info("hook keyframe: strength %g from %g on", keyframe.strength, keyframe.start_percent)
    return (prev_hook_kf or HookKeyframes()).with_added(*added)


@node(
    id="CreateHookKeyframe",
    title="Create Hook Keyframe",
    category=_CATEGORY,
    names=_NAMES,
    output_tooltips=_TIPS,
    experimental=True,
)
def create_hook_keyframe(
    strength_mult: Annotated[float, Range(-20.0, 20.0, 0.01)] = 1.0,
    start_percent: _Share = 0.0,
    prev_hook_kf: Keyframes | None = None,
) -> Keyframes:
    """One keyframe of a hooked patch's strength.

    Args:
        strength_mult: Factor for the patch's strength.
        start_percent: Share of the run from which on it counts.
        prev_hook_kf: Keyframes to add this one to.
    """
    return (prev_hook_kf or HookKeyframes()).with_added(HookKeyframe(start_percent, strength_mult))


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that make hook keyframes."""
    return [create_hook_keyframe, create_hook_keyframes_interpolated]
