"""Weights that are brought to a device for each use, the next ones while the current ones are computed with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import nlargest
from typing import Protocol

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.computing.stand_in import Convolution, Product
from host.models.computing.transfers import Fetched, open_transfer

AHEAD = 3
"""So many streamed weights may be on the device at a time: one whose use is ending, one in use, and one on its way."""

_HALVINGS = 24


def least_room(sizes: Sequence[int]) -> int:
    """The bytes a device needs for weights of these sizes when all of them are streamed."""
    return sum(nlargest(AHEAD, sizes))


def choose_streamed(sizes: Sequence[int], room: int) -> frozenset[int]:
    """Which of a module's weights to stream, by their place in the order of use, so that it runs in ``room`` bytes.

    As few bytes as will do, spread evenly, so that each has the computing of its resident neighbours to arrive
    meanwhile. All of them where even that isn't enough.
    """
    if sum(sizes) <= room:
        return frozenset()
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        if _needed(sizes, _spread(sizes, share)) <= room:
            high = share
        else:
            low = share
    return _spread(sizes, high)


def _spread(sizes: Sequence[int], share: float) -> frozenset[int]:
    """Every so many bytes, so that the share of bytes chosen up to any place is the given one as nearly as can be."""
    if share >= 1:
        return frozenset(range(len(sizes)))
    chosen, owed = set(), 0.0
    for place, size in enumerate(sizes):
        owed += share * size
        if owed >= size / 2:
            chosen.add(place)
            owed -= size
    return frozenset(chosen)


def _needed(sizes: Sequence[int], streamed: frozenset[int]) -> int:
    resident = sum(size for place, size in enumerate(sizes) if place not in streamed)
    return resident + least_room([sizes[place] for place in streamed])


class Waiting(Protocol):
    """A weight that waits in main memory to be brought to a device."""

    host: Tensor


class Stream:
    """Brings a module's streamed weights to its device, in the order in which they were used the last time.

    While a weight is in use, the one that followed it the last time is on its way.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.transfer = device, open_transfer(device)
        self._following: dict[Waiting, Waiting] = {}
        self._on_the_way: tuple[Waiting, Fetched] | None = None
        self._last: Waiting | None = None
        self.bytes = 0

    def get(self, weight: Waiting) -> Tensor:
        """The weight on the device; it is gone from there when the result is."""
        coming, self._on_the_way = self._on_the_way, None
        fetched = coming[1] if coming is not None and coming[0] is weight else None
        del coming  # another one makes room before this one is fetched
        fetched = fetched or self.transfer.fetch(weight.host)
        self.bytes += weight.host.nbytes
        if self._last is not None and self._last is not weight:
            self._following[self._last] = weight
        self._last = weight
        following = self._following.get(weight)
        if following is not None:
            self._on_the_way = following, self.transfer.fetch(following.host)
        return fetched.wait()

    def rest(self) -> None:
        """Keep nothing on the way: nobody computes for a while."""
        self._on_the_way = None

    def close(self) -> None:
        """Forget all weights: each knows its stream, and what knows each other waits for the garbage collector."""
        self._following.clear()
        self._on_the_way = self._last = None

    def forget(self, weight: Waiting) -> None:
        """Bring it anew the next time, because it has changed."""
        if self._on_the_way is not None and self._on_the_way[0] is weight:
            self._on_the_way = None


class StreamedWeight:
    """A weight that waits in main memory, in the dtype it is used in, from where the device fetches it fastest."""

    def __init__(self, view: Callable[[], Tensor], dtype: torch.dtype, stream: Stream) -> None:
        """``view`` gives the file's tensor."""
        self._view, self._stream = view, stream
        self.host = stream.transfer.host_copy(view(), dtype)
        self.shape, self.dtype, self.device = self.host.shape, dtype, stream.device

    def dense(self) -> Tensor:
        return self._stream.get(self)

    def rows(self, indices: Tensor) -> Tensor:
        """Looked up in main memory: they alone are brought to the device."""
        rows: Tensor = torch.ops.aten.embedding.default(self.host, indices.to(self.host.device))
        return rows.to(self.device)

    def convolve(self, convolution: Convolution) -> Tensor | None:
        """None: devices that stream have no weights to pack."""
        return None

    def multiply(self, product: Product) -> Tensor | None:
        """None, likewise."""
        return None

    def write(self, value: Tensor) -> None:
        self._stream.forget(self)
        self.host = self._stream.transfer.host_copy(value, self.dtype)

    def restore(self) -> None:
        self.write(self._view())
