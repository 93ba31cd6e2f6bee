"""How many bytes a result holds, found out without importing the libraries that made it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from sdk.models import ModelHandle

ENTRY_BYTES = 256
"""Charged for every entry: key, list and table slots."""

_SCALARS = frozenset({int, float, bool, type(None)})
_MOST_PARTS = 100_000


class Size(NamedTuple):
    """What a value keeps alive.

    Attributes:
        own: bytes that no other value is taken to share.
        buffers: bytes of each block of array memory, by its address; a view keeps its whole block alive.
    """

    own: int
    buffers: Mapping[int, int]

    @property
    def total(self) -> int:
        return self.own + sum(self.buffers.values())


def size_of(value: Any) -> Size:
    """What a value keeps alive, as far as can be told; parts that occur twice count once.

    Arrays and tensors say it themselves; containers are walked, other objects through their attributes, up to
    100,000 parts. Of a model's handle only what it adds to the model counts: the manager holds the rest.
    """
    own = 0
    buffers: dict[int, int] = {}
    seen: set[int] = set()
    waiting: list[Any] = [value]
    while waiting:
        part = waiting.pop()
        kind = type(part)
        if kind in _SCALARS:
            own += 32
            continue
        if id(part) in seen:
            continue
        seen.add(id(part))
        if kind is str or kind is bytes:
            own += sys.getsizeof(part)
            continue
        buffer = _buffer(part)
        if buffer is not None:
            buffers[buffer[0]] = buffer[1]
            continue
        own += sys.getsizeof(part, 64)
        if len(seen) < _MOST_PARTS:
            waiting += _parts(part)
    return Size(own, buffers)


def _buffer(value: Any) -> tuple[int, int] | None:
    """Address and bytes of the memory behind an array or tensor; None for anything else."""
    if hasattr(value, "untyped_storage"):
        try:
            storage = value.untyped_storage()
            return storage.data_ptr() or id(value), storage.nbytes() if storage.data_ptr() else 0
        except (NotImplementedError, RuntimeError):  # sparse tensors and the like have none
            return id(value), int(value.nbytes)
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        owner = value
        while isinstance(base := getattr(owner, "base", None), type(value)):
            owner = base
        return id(owner), int(owner.nbytes)
    if hasattr(value, "element_size") and hasattr(value, "numel"):
        return id(value), int(value.element_size()) * int(value.numel())
    return None


def _parts(value: Any) -> list[Any]:
    if isinstance(value, ModelHandle):
        return [value.patches, value.options]
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    attributes = getattr(value, "__dict__", None)
    return list(attributes.values()) if isinstance(attributes, dict) and not isinstance(value, type) else []
