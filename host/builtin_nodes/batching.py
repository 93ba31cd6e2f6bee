"""Batches of one number of items against batches of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdk import NodeError

if TYPE_CHECKING:
    from torch import Tensor


def cycled(batch: Tensor, count: int) -> Tensor:
    """``count`` items of a batch [items, ...]: its first ones, or all of them again and again.

    Raises:
        NodeError: items are wanted of a batch that has none.
    """
    if not count:
        return batch[:0]
    if not len(batch):
        raise NodeError(f"A batch of shape {list(batch.shape)} holds nothing that could be repeated {count} times.")
    times = -(-count // batch.shape[0])
    return batch.repeat(times, *[1] * (batch.ndim - 1))[:count] if times > 1 else batch[:count]


def selection(count: int, start: int, length: int) -> slice:
    """The items ``start`` to ``start + length`` of ``count``, moved and shortened so that there is at least one."""
    start = min(count - 1, start)
    return slice(start, start + min(count - start, length))
