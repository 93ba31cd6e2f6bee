"""Samples put into other samples, through a mask."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate, pad

from host.builtin_nodes.batching import cycled
from sdk import NodeError


class OutsidePlace(NodeError):
    """Something shall be pasted at a place left of or above the picture."""

    def __init__(self, x: int, y: int) -> None:
        super().__init__(x, y)
        self.x, self.y = x, y

    def __str__(self) -> str:
        return f"Nothing can be pasted at x = {self.x}, y = {self.y}: crop the source and paste it at 0 or above."


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
        raise OutsidePlace(x, y)
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
