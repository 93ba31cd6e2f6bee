"""A module and where its weights are: on its device or not, patched or not. Mechanism only; the manager decides."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor, nn  # noqa: TID253

from host.models.computing.low_rank import AddLowRank, add_low_rank
from host.models.loading import weight
from host.models.patches import PatchNames, Step, patched, plan
from host.models.residency.devices import Device
from host.models.residency.ledger import Ledger
from sdk.models import ModelHandle, PatchSet, StoredPart

Patches = Sequence[tuple[PatchSet, float]]


@dataclass(frozen=True, eq=False)
class Use:
    """A borrow under way.

    Attributes:
        handle: what is borrowed, with its patches.
        working_bytes: what the borrower needs beside the weights.
        task: the asynchronous task that borrows, if one does.
    """

    handle: ModelHandle
    working_bytes: int = 0
    task: asyncio.Task[Any] | None = None


@dataclass(frozen=True)
class PatchWork:
    """What changing patches took: layers computed anew, layers set back, bytes written."""

    rebuilt: int = 0
    restored: int = 0
    bytes: int = 0


class Resident(ABC):
    """A module that takes part in placement and eviction.

    Attributes:
        handle: the handle without patches.
        device: where it runs.
        users: the borrows of it under way, innermost last.
        placed: whether its weights are on the device.
        ledger: what it holds on the device, exactly.
        reload_seconds: what placing it took the last time.
        last_used: the manager's borrow count at the last borrow.
        cramped: how many working bytes were needed when it came to hold less than there seemed to be room for.
    """

    def __init__(self, handle: ModelHandle, device: Device) -> None:
        self.handle, self.device = handle, device
        self.users: list[Use] = []
        self.placed = False
        self.ledger = Ledger()
        self.reload_seconds = 0.0
        self.last_used = 0
        self.cramped = math.inf
        self.applied: dict[str, tuple[tuple[str, float], ...]] = {}
        self._bytes_of: dict[str, int] = {}

    @property
    def bytes(self) -> int:
        """What it holds on the device now."""
        return self.ledger.total

    @property
    def streamed_bytes(self) -> int:
        """What of it is brought to the device for each use, and holds no room there in between."""
        return 0

    @property
    def passing_bytes(self) -> int:
        """The most that streamed weights take on the device at a time, while it computes."""
        return 0

    @property
    def claimed(self) -> int:
        """What of the device nobody else may have now."""
        return self.bytes + (self.passing_bytes if self.users else 0)

    @property
    def has_kernels(self) -> bool:
        """Whether its layers are computed by kernels that were compiled for the device."""
        return False

    @property
    def add_low_rank(self) -> AddLowRank:
        """What adds patches of low rank to its weights."""
        return add_low_rank

    @property
    def least(self) -> int:
        """The fewest bytes on the device with which it can run."""
        return self.size

    @property
    def evictable(self) -> bool:
        return self.placed and not self.users

    @property
    def returns(self) -> bool:
        """Whether it could be placed again after it has left the device."""
        return True

    @property
    def is_gone(self) -> bool:
        """Whether it can't be placed any more, and isn't."""
        return False

    @property
    @abstractmethod
    def source(self) -> str:
        """Where it comes from, for messages: the file, or who brought it."""

    @property
    @abstractmethod
    def module(self) -> nn.Module:
        """The module, wherever its weights are."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes it takes on its device without patches."""

    @property
    def own_size(self) -> int:
        """What of ``size`` is no pages of a mapped file, which the system takes back when it needs room."""
        return self.size

    @abstractmethod
    def read_ahead(self) -> None:
        """Begin to read what ``place`` will need, where that takes long."""

    @abstractmethod
    def stop_reading(self) -> None:
        """Leave unread what ``place`` won't be called for."""

    @abstractmethod
    def place(self, room: int) -> int:
        """Bring the weights to the device, where they may take ``room`` bytes; returns the bytes copied for it."""

    @abstractmethod
    def evict(self) -> int:
        """Take the weights from the device; returns the bytes it gets back."""

    @abstractmethod
    def rest(self) -> None:
        """Let go of what is on its way to the device: nobody computes for a while."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what can be made again, after the weights have left the device."""

    @abstractmethod
    def patch_names(self) -> PatchNames:
        """Names by which patch files call the weights."""

    @abstractmethod
    def canonical(self, name: str) -> str | None:
        """The one name used here for a weight; None for one the module doesn't have."""

    @abstractmethod
    def originals(self) -> Mapping[str, Callable[[], Tensor]]:
        """Each weight under its one name, without patches, once it is called for."""

    @abstractmethod
    def stored(self, patches: Patches) -> StoredPart:
        """The weights in their file's layout; raises NoFileBehind where there is none."""

    @abstractmethod
    def _original(self, name: str) -> Tensor: ...

    @abstractmethod
    def _write(self, name: str, value: Tensor) -> None: ...

    @abstractmethod
    def _restore(self, name: str) -> None: ...

    def _room(self, name: str) -> Tensor | None:
        """Where a weight that is patched now may be written anew: its own memory, float32 and contiguous, if any."""
        return None

    def room_for(self, patches: Patches) -> int:
        """The bytes that weights still to be changed will take at most, where that makes copies of them."""
        if not self.device.maps_files:
            return 0
        changing = plan(patches, self.canonical).keys() - self.applied.keys()
        return sum(weight(self.module, name).numel() * torch.float32.itemsize for name in changing)

    def repatch(self, patches: Patches) -> PatchWork:
        """Make the placed weights exactly what the patches say, touching only layers for which that changes.

        Raises PatchMismatch; layers done until then stay done, and are known.
        """
        wanted = plan(patches, self.canonical)
        restored = rebuilt = written = 0
        with torch.inference_mode(False), torch.no_grad():
            for name in [name for name in self.applied if name not in wanted]:
                self._restore(name)
                del self.applied[name]
                restored += 1
            for name, steps in wanted.items():
                key = tuple(step.key for step in steps)
                if self.applied.get(name) != key:
                    written += self._rebuild(name, steps)
                    self.applied[name] = key
                    rebuilt += 1
        return PatchWork(rebuilt, restored, written)

    def _rebuild(self, name: str, steps: Sequence[Step]) -> int:
        room = self._room(name) if name in self.applied else None
        try:
            value = patched(name, self._original(name), steps, self.device.torch_device, room, self.add_low_rank)
        except BaseException:
            if room is not None:  # half-written
                self._restore(name)
                del self.applied[name]
            raise
        self._write(name, value)
        if name not in self._bytes_of:
            self._bytes_of[name] = weight(self.module, name).nbytes
        return self._bytes_of[name]
