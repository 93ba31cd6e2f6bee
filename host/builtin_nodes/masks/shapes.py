"""Masks [batch, height, width] grown, faded and combined."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from host.builtin_nodes.images.pasting import refuse_beside
from host.builtin_nodes.images.windows import running_maximum

OPERATIONS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": torch.mul,
    "add": torch.add,
    "subtract": torch.sub,
    "and": lambda one, other: (one.round().bool() & other.round().bool()).to(one),
    "or": lambda one, other: (one.round().bool() | other.round().bool()).to(one),
    "xor": lambda one, other: (one.round().bool() ^ other.round().bool()).to(one),
}


def grown(mask: Tensor, steps: int, *, tapered: bool) -> Tensor:
    """Bright areas larger by ``steps`` pixels, or smaller where that is negative.

    Args:
        tapered: a pixel sees its four neighbours in each step, instead of all eight.
    """
    if steps < 0:
        return -grown(-mask, -steps, tapered=tapered)
    if not tapered:
        return running_maximum(running_maximum(mask, steps, steps, -1), steps, steps, -2)
    for _ in range(min(steps, sum(mask.shape[-2:]))):  # after so many steps nothing is left to grow
        mask = _with_neighbours(mask)
    return mask


def _with_neighbours(mask: Tensor) -> Tensor:
    """The largest of each pixel and the four beside it."""
    grown = mask.clone()
    for dimension in (-1, -2):
        length = mask.shape[dimension] - 1
        for at, beside in ((0, 1), (1, 0)):
            place = grown.narrow(dimension, at, length)
            torch.maximum(place, mask.narrow(dimension, beside, length), out=place)
    return grown


def feathered(mask: Tensor, *, left: int, top: int, right: int, bottom: int) -> Tensor:
    """Masks that fade linearly over so many pixels at each side.

    The far sides count their steps from 0, so that the first one lands on the first row or column: the behaviour
    that saved workflows rely on.
    """
    height, width = mask.shape[-2:]
    rows = _near(height, top) * _far(height, bottom)
    columns = _near(width, left) * _far(width, right)
    return mask.reshape(-1, height, width) * (rows[:, None] * columns).to(mask)


def _near(length: int, ramp: int) -> Tensor:
    weights = torch.ones(length)
    ramp = min(length, ramp)
    weights[:ramp] = torch.arange(1, ramp + 1) / max(1, ramp)
    return weights


def _far(length: int, ramp: int) -> Tensor:
    weights = _near(length, ramp).flip(0)
    return weights.roll(1) if ramp else weights


def combined(target: Tensor, source: Tensor, x: int, y: int, operation: str) -> Tensor:
    """A copy of ``target`` [..., height, width], changed by ``source`` where that lies on it from (x, y) on.

    Args:
        operation: a key of ``OPERATIONS``; results are cut to 0..1.

    Raises:
        OutsidePlace: the source lies just beside the target.
    """
    refuse_beside(source, x, y, target)
    result, source = (mask.reshape(-1, *mask.shape[-2:]) for mask in (target, source))
    result = result.clone()
    height, width = (max(0, min(source.shape[d], result.shape[d] - at)) for d, at in ((1, y), (2, x)))
    area = (slice(None), slice(y, y + height), slice(x, x + width))
    result[area] = OPERATIONS[operation](result[area], source[:, :height, :width])
    return result.clamp(0.0, 1.0)
