"""Delta debugging: the few of many things that together make something fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def smallest_failing(items: Sequence[Item], fails: Callable[[Sequence[Item]], bool]) -> tuple[Item, ...]:
    """A smallest failing part of ``items``: without any one of its members it does not fail any more.

    ``ddmin`` of Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002): about n·log n tests
    for a single culprit, n² at worst. ``fails(items)`` must hold.
    """
    left, parts = list(items), 2
    while len(left) >= 2:
        chunks = _chunks(left, parts)
        smaller = _first(chunks, fails)
        if smaller is not None:
            left, parts = smaller, 2
            continue
        rests = [[item for other in chunks if other is not chunk for item in other] for chunk in chunks]
        smaller = _first(rests, fails) if parts > 2 else None
        if smaller is not None:
            left, parts = smaller, max(parts - 1, 2)
        elif parts >= len(left):
            break
        else:
            parts = min(len(left), parts * 2)
    return tuple(left)


def _chunks(items: list[Item], parts: int) -> list[list[Item]]:
    size, extra = divmod(len(items), parts)
    chunks, start = [], 0
    for number in range(parts):
        end = start + size + (number < extra)
        chunks.append(items[start:end])
        start = end
    return [chunk for chunk in chunks if chunk]


def _first(candidates: list[list[Item]], fails: Callable[[Sequence[Item]], bool]) -> list[Item] | None:
    return next((candidate for candidate in candidates if fails(candidate)), None)
