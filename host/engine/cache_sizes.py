"""How many bytes a result holds, found out without importing the libraries that made it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

ENTRY_BYTES = 256
"""Charged for every entry: key, list and table slots."""

_SCALARS = frozenset({int, float, bool, type(None)})
_MOST_PARTS = 100_000


def size_of(value: Any) -> int:
    """Bytes that a value keeps alive, as far as can be told; parts that occur twice count once.

    Arrays and tensors say it themselves; containers are walked, other objects through their attributes, up to
    100,000 parts.
    """
    total = 0
    seen: set[int] = set()
    waiting: list[Any] = [value]
    while waiting:
        part = waiting.pop()
        kind = type(part)
        if kind in _SCALARS:
            total += 32
            continue
        if id(part) in seen:
            continue
        seen.add(id(part))
        if kind is str or kind is bytes:
            total += sys.getsizeof(part)
            continue
        nbytes = _array_bytes(part)
        if nbytes is not None:
            total += nbytes
            continue
        total += sys.getsizeof(part, 64)
        if len(seen) < _MOST_PARTS:
            waiting += _parts(part)
    return total


def _array_bytes(value: Any) -> int | None:
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        return nbytes
    if hasattr(value, "element_size") and hasattr(value, "numel"):
        return int(value.element_size()) * int(value.numel())
    return None


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    attributes = getattr(value, "__dict__", None)
    return list(attributes.values()) if isinstance(attributes, dict) and not isinstance(value, type) else []
