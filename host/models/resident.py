"""A module and where its weights are: on its device or not, patched or not. Mechanism only; the manager decides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor, nn  # noqa: TID253

from host.models.attention import AttentionFunction, use_attention
from host.models.devices import Device
from host.models.loading import Assembled, Slot, assemble, blank, put, seen, weight
from host.models.opening import OpenedFile
from host.models.patches import PatchNames, Step, patched, plan
from sdk.models import ModelHandle, PatchSet

Patches = Sequence[tuple[PatchSet, float]]


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
        users: handles under which it is borrowed now, innermost last.
        placed: whether its weights are on the device.
        bytes: what it holds on the device, exactly.
        reload_seconds: what placing it took the last time.
        last_used: the manager's borrow count at the last borrow.
    """

    def __init__(self, handle: ModelHandle, device: Device) -> None:
        self.handle, self.device = handle, device
        self.users: list[ModelHandle] = []
        self.placed = False
        self.bytes = 0
        self.mapped_bytes = 0
        self.reload_seconds = 0.0
        self.last_used = 0
        self.applied: dict[str, tuple[tuple[str, float], ...]] = {}

    @property
    def evictable(self) -> bool:
        return self.placed and not self.users

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

    @abstractmethod
    def place(self) -> int:
        """Bring the weights to the device; returns the bytes copied for it."""

    @abstractmethod
    def evict(self) -> int:
        """Take the weights from the device; returns the bytes it gets back."""

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
    def _original(self, name: str) -> Tensor: ...

    @abstractmethod
    def _write(self, name: str, value: Tensor) -> None: ...

    @abstractmethod
    def _restore(self, name: str) -> None: ...

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
        value = patched(name, self._original(name), steps, self.device.torch_device)
        self._write(name, value)
        return weight(self.module, name).nbytes


class FileResident(Resident):
    """A part of a model file. W0 stays in the file: a weight's original is its view, never a second copy."""

    def __init__(
        self,
        handle: ModelHandle,
        device: Device,
        *,
        opened: OpenedFile,
        dtype: torch.dtype,
        verify: Callable[[OpenedFile], None],
        attention: AttentionFunction | None = None,
    ) -> None:
        """``verify`` raises where the file is not the one any more that was opened."""
        super().__init__(handle, device)
        self._opened, self._file, self._part = opened, opened.file, opened.parts[handle.part]
        self._dtype, self._verify, self._attention = dtype, verify, attention
        self._assembled: Assembled | None = None
        self._slots: Mapping[str, Slot] = {}
        self._fixed: Mapping[str, Tensor] = {}
        self._names: PatchNames | None = None

    @property
    def source(self) -> str:
        return str(self._opened.path)

    @property
    def module(self) -> nn.Module:
        return self._assemble().module

    @property
    def size(self) -> int:
        weights = sum(slot.bytes_in(self._target(slot)) for slot in self._assemble().slots)
        return weights + sum(tensor.nbytes for tensor in self._fixed.values())

    def place(self) -> int:
        """Raises ChangedFile; whatever goes wrong, no weight stays on the device."""
        self._verify(self._opened)
        try:
            with torch.inference_mode(False), torch.no_grad():
                for slot in self._assemble().slots:
                    self._place(slot)
                for name, tensor in self._fixed.items():
                    put(self.module, (name,), tensor.to(self.device.torch_device))
        except BaseException:
            self.evict()
            raise
        sizes = [(slot.bytes_in(self._target(slot)), self._on_file(slot)) for slot in self._assemble().slots]
        self.placed, self.bytes = True, self.size
        self.mapped_bytes = sum(size for size, on_file in sizes if on_file)
        return sum(size for size, on_file in sizes if not on_file)

    def evict(self) -> int:
        """Leave the module without weights; they are in the file."""
        freed = self.bytes
        with torch.inference_mode(False), torch.no_grad():
            for slot in self._assemble().slots:
                put(self.module, slot.names, blank(slot))
                self._file.release(slot.source.key)
            for name, tensor in self._fixed.items():
                put(self.module, (name,), tensor)
        self.placed, self.bytes, self.mapped_bytes = False, 0, 0
        self.applied.clear()
        return freed

    def forget(self) -> None:
        """Drop the module; the next use builds it again."""
        self._assembled, self._slots, self._fixed = None, {}, {}

    def patch_names(self) -> PatchNames:
        if self._names is None:
            given = self._part.patch_names
            self._names = given() if given is not None else {name: name for name in self._part.weights}
        return self._names

    def canonical(self, name: str) -> str | None:
        self._assemble()
        slot = self._slots.get(name)
        return None if slot is None else slot.names[0]

    def _original(self, name: str) -> Tensor:
        return self._view(self._slots[name])

    def _write(self, name: str, value: Tensor) -> None:
        """Beside the file's view where the weight was one (its pages then fall free), else in place."""
        slot, current = self._slots[name], weight(self.module, name)
        if name not in self.applied and self._on_file(slot):
            fresh = value.to(current.dtype)
            shared = fresh.untyped_storage().data_ptr() == current.untyped_storage().data_ptr()
            put(self.module, slot.names, fresh.clone() if shared else fresh)
            self.mapped_bytes -= current.nbytes
        else:
            current.copy_(value)
        self._file.release(slot.source.key)

    def _restore(self, name: str) -> None:
        slot, view = self._slots[name], self._view(self._slots[name])
        if self._on_file(slot):
            put(self.module, slot.names, view)
            self.mapped_bytes += view.nbytes
        else:
            weight(self.module, name).copy_(view)
            self._file.release(slot.source.key)

    def _assemble(self) -> Assembled:
        if self._assembled is None:
            assembled = assemble(self._part, self._file.header, self._opened.keys_of_others(self._part.name))
            self._fixed = {name: weight(assembled.module, name) for name in assembled.fixed}
            self._slots = {name: slot for slot in assembled.slots for name in slot.names}
            if self._attention is not None:
                use_attention(assembled.module, self._attention)
            self._assembled = assembled
        return self._assembled

    def _place(self, slot: Slot) -> None:
        self._file.prefetch(slot.source.key)
        view = self._view(slot)
        if self._on_file(slot):
            put(self.module, slot.names, view)
            return
        if self.device.maps_files:
            # Copied only once where the file gives a copy anyway, unless that would keep more alive than this weight.
            own = not self._file.maps(slot.source.key) and slot.source.narrow is None
            placed = view.to(self._target(slot), copy=not own)
        else:
            placed = view.to(self.device.torch_device, copy=True).to(self._target(slot))
        put(self.module, slot.names, placed)
        self._file.release(slot.source.key)

    def _view(self, slot: Slot) -> Tensor:
        view = seen(self._file.tensor(slot.source.key), slot.source)
        assert view is not None, "assemble() has checked every source"
        return view

    def _target(self, slot: Slot) -> torch.dtype:
        return self._dtype if slot.stored.is_floating_point else slot.stored

    def _on_file(self, slot: Slot) -> bool:
        same = self._target(slot) == slot.stored
        return same and self.device.maps_files and self._file.maps(slot.source.key)
