"""How much a pretended device holds, and which streams may use it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tests.support.pretend_cuda.streams import Stream, Streams


@dataclass
class Block:
    """Where a storage comes from: the stream it was filled on, and how much had been done there by then."""

    stream: Stream
    filled: int
    recorded: set[Stream] = field(default_factory=set)
    used: set[Stream] = field(default_factory=set)


@dataclass
class Memory:
    """Counts the bytes of all storages that are alive; refuses more than its ``capacity``.

    Attributes:
        peak: the most bytes there were at a time since it was last set.
        faults: uses of memory that a real allocator could have given away by then.
    """

    streams: Streams
    capacity: int = 2**40
    live: int = 0
    peak: int = 0
    faults: list[str] = field(default_factory=list)

    def take(self, held: Tensor) -> None:
        """Count a tensor's storage, unless it is known; raises torch.OutOfMemoryError where it doesn't fit."""
        storage = held.untyped_storage()
        if hasattr(storage, "block"):
            return
        size = storage.nbytes()
        if self.live + size > self.capacity:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {self.live} of {self.capacity} bytes held, {size} asked")
        self.live += size
        self.peak = max(self.peak, self.live)
        current = self.streams.current
        storage.block = block = Block(current, current.work())
        weakref.finalize(storage, self._free, size, block).atexit = False

    def use(self, held: Tensor) -> None:
        """Note that the current stream works with a tensor; raises where it may not have arrived."""
        block: Block = held.untyped_storage().block
        current = self.streams.current
        if block.stream is current:
            return
        if current.awaited(block.stream) < block.filled:
            raise RuntimeError("a tensor that was made on another stream is used before that has been waited for")
        block.used.add(current)

    def _free(self, size: int, block: Block) -> None:
        self.live -= size
        if block.used - block.recorded:
            self.faults.append("a tensor was used on a stream for which it hadn't been recorded, and then freed")
