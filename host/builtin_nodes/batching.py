"""Batches of one number of items against batches of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def cycled(batch: Tensor, count: int) -> Tensor:
    """``count`` items of a batch [items, ...]: its first ones, or all of them again and again."""
    times = -(-count // batch.shape[0])
    return batch.repeat(times, *[1] * (batch.ndim - 1))[:count] if times > 1 else batch[:count]


def selection(count: int, start: int, length: int) -> slice:
    """The items ``start`` to ``start + length`` of ``count``, moved and shortened so that there is at least one."""
    start = min(count - 1, start)
    return slice(start, start + min(count - start, length))
