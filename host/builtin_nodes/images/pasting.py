"""Samples put into other samples, through a mask."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate, pad

from host.builtin_nodes.batching import cycled
from sdk import NodeError


class OutsidePlace(NodeError):
    """Something shall be pasted at a place outside of what it is pasted into."""

    def __init__(self, x: int, y: int, width: int, height: int) -> None:
        super().__init__(x, y, width, height)
        self.x, self.y, self.width, self.height = x, y, width, height

    def __str__(self) -> str:
        return (
            f"Nothing can be pasted at x = {self.x}, y = {self.y} into {self.width} x {self.height} pixels: the left "
            "and top edges must lie within them. Crop what should stand out there."
        )


def refuse_beside(source: Tensor, x: int, y: int, target: Tensor, cell: int = 1) -> None:
    """Nothing, unless a source that begins beyond the far borders begins near them.

    Saved workflows are stopped there, and get the target unchanged where the source is further away than it is long.

    Args:
        source: [..., height, width], as ``target`` is, of so many pixels a cell.
        x: where its left edge goes, in pixels; not negative.
        y: where its top edge goes.

    Raises:
        OutsidePlace: it lies just beside the target.
    """
    for dimension, at in ((-1, x), (-2, y)):
        beyond = at // cell - target.shape[dimension]
        if 0 < beyond < source.shape[dimension] - 1:
            raise OutsidePlace(x, y, target.shape[-1] * cell, target.shape[-2] * cell)


def paste(target: Tensor, source: Tensor, x: int, y: int, mask: Tensor | None, *, resized: bool = False) -> Tensor:
    """A copy of ``target`` [batch, channel, height, width] with ``source`` in it, its top left corner at (x, y).

    What lies beyond the borders is cut off; a shorter batch is repeated.

    Args:
        mask: [..., height, width], resized to the source; 1 shows the source, 0 the target.
        resized: bring the source to the target's size first.

    Raises:
        OutsidePlace: ``x`` or ``y`` is negative.
    """
    if x < 0 or y < 0:
        raise OutsidePlace(x, y, *target.shape[:-3:-1])
    if resized:
        source = interpolate(source, size=target.shape[-2:], mode="bilinear")
    source = cycled(source.to(target), len(target))
    height, width = (max(0, min(source.shape[d], target.shape[d] - at)) for d, at in ((-2, y), (-1, x)))
    area = (..., slice(y, y + height), slice(x, x + width))
    shown = source[..., :height, :width]
    if mask is not None:
        weights = interpolate(mask.reshape(-1, 1, *mask.shape[-2:]).to(target), size=source.shape[-2:], mode="bilinear")
        weights = cycled(weights, len(target))[..., :height, :width]
        shown = weights * shown + (1 - weights) * target[area]
    result = target.clone()
    result[area] = shown
    return result


def with_channels(samples: Tensor, channels: int) -> Tensor:
    """Samples with so many channels: the surplus is dropped, what is missing is opaque alpha."""
    return pad(samples[:, :channels], (0, 0, 0, 0, 0, max(0, channels - samples.shape[1])), value=1.0)
