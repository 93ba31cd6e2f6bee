"""A module and where its weights are: on its device or not, patched or not. Mechanism only; the manager decides."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor, nn  # noqa: TID253

from host.models.attention import AttentionFunction, use_attention
from host.models.devices import Device
from host.models.errors import UnknownHandle
from host.models.loading import Assembled, Slot, assemble, put, seen, weight
from host.models.patches import PatchNames, Step, patched, plan
from host.models.weights import WeightFile
from sdk.models import ModelHandle, Part, PatchSet

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
    def patch_names(self) -> PatchNames:
        """Names by which patch files call the weights."""

    @abstractmethod
    def patch_bytes(self, patches: Patches) -> int:
        """Further bytes that applying these patches would take on the device."""

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
        part: Part,
        file: WeightFile,
        dtype: torch.dtype,
        used_elsewhere: AbstractSet[str] = frozenset(),
        attention: AttentionFunction | None = None,
    ) -> None:
        super().__init__(handle, device)
        self.path = file.header.path
        self._part, self._file, self._dtype = part, file, dtype
        self._used_elsewhere, self._attention = used_elsewhere, attention
        self._assembled: Assembled | None = None
        self._slots: Mapping[str, Slot] = {}
        self._fixed: Mapping[str, Tensor] = {}
        self._names: PatchNames | None = None

    @property
    def module(self) -> nn.Module:
        return self._assemble().module

    @property
    def size(self) -> int:
        self._assemble()
        weights = sum(view.numel() * self._target(view).itemsize for view in map(self._view, self._distinct()))
        return weights + sum(tensor.nbytes for tensor in self._fixed.values())

    def place(self) -> int:
        assembled = self._assemble()
        copied = mapped = held = 0
        with torch.inference_mode(False), torch.no_grad():
            for slot in assembled.slots:
                view = self._view(slot)
                placed = self._on_device(view)
                put(assembled.module, slot.names, placed)
                held += placed.nbytes
                if placed is view:
                    mapped += view.nbytes
                else:
                    copied += placed.nbytes
                    self._file.release(slot.source.key)
            for name, tensor in self._fixed.items():
                put(assembled.module, (name,), tensor.to(self.device.torch_device))
                held += tensor.nbytes
        self.placed, self.bytes, self.mapped_bytes = True, held, mapped
        return copied

    def evict(self) -> int:
        """Point the weights at the file again, which takes no memory; the module stays."""
        freed, assembled = self.bytes, self._assemble()
        for slot in assembled.slots:
            put(assembled.module, slot.names, self._view(slot))
        for name, tensor in self._fixed.items():
            put(assembled.module, (name,), tensor)
        self.placed, self.bytes, self.mapped_bytes = False, 0, 0
        self.applied.clear()
        return freed

    def forget(self) -> None:
        """Drop the module too; the next use builds it again."""
        self._assembled, self._slots, self._fixed = None, {}, {}

    def patch_names(self) -> PatchNames:
        if self._names is None:
            given = self._part.patch_names
            self._names = given() if given is not None else {name: name for name in self._part.weights}
        return self._names

    def patch_bytes(self, patches: Patches) -> int:
        """Only a weight that is the file's own view needs room beside it for its patched form."""
        fresh = [self._view(self._slots[name]) for name in plan(patches, self.canonical) if name not in self.applied]
        return sum(view.nbytes for view in fresh if self._on_file(view))

    def canonical(self, name: str) -> str | None:
        self._assemble()
        slot = self._slots.get(name)
        return None if slot is None else slot.names[0]

    def _original(self, name: str) -> Tensor:
        return self._view(self._slots[name])

    def _write(self, name: str, value: Tensor) -> None:
        slot, current = self._slots[name], weight(self.module, name)
        if name not in self.applied and self._on_file(self._view(slot)):
            put(self.module, slot.names, value.to(current.dtype))
            self.bytes += current.nbytes
            self.mapped_bytes -= current.nbytes
        else:
            current.copy_(value)

    def _restore(self, name: str) -> None:
        slot, view = self._slots[name], self._view(self._slots[name])
        if self._on_file(view):
            put(self.module, slot.names, view)
            self.bytes -= view.nbytes
            self.mapped_bytes += view.nbytes
        else:
            weight(self.module, name).copy_(view)

    def _assemble(self) -> Assembled:
        if self._assembled is None:
            assembled = assemble(self._part, self._file, self._used_elsewhere)
            self._fixed = {name: weight(assembled.module, name) for name in assembled.fixed}
            self._slots = {name: slot for slot in assembled.slots for name in slot.names}
            if self._attention is not None:
                use_attention(assembled.module, self._attention)
            self._assembled = assembled
        return self._assembled

    def _distinct(self) -> Sequence[Slot]:
        return self._assemble().slots

    def _view(self, slot: Slot) -> Tensor:
        view = seen(self._file.tensor(slot.source.key), slot.source)
        assert view is not None, "assemble() has checked every source"
        return view

    def _target(self, view: Tensor) -> torch.dtype:
        return self._dtype if view.is_floating_point() else view.dtype

    def _on_file(self, view: Tensor) -> bool:
        return self.device.maps_files and self._target(view) == view.dtype

    def _on_device(self, view: Tensor) -> Tensor:
        if self._on_file(view):
            return view
        if self.device.maps_files:
            return view.to(self._target(view))
        return view.to(self.device.torch_device, copy=True).to(self._target(view))


class AdoptedResident(Resident):
    """A module that a pack made. It belongs to the handles that name it; evicted, it waits in main memory."""

    def __init__(self, handle: ModelHandle, device: Device, module: nn.Module) -> None:
        super().__init__(handle, device)
        self._module = weakref.ref(module)
        self._originals: dict[str, Tensor] = {}
        self._mark()

    @property
    def module(self) -> nn.Module:
        module = self._module()
        if module is None:
            raise UnknownHandle(self.handle.key)
        return module

    @property
    def alive(self) -> bool:
        return self._module() is not None

    @property
    def evictable(self) -> bool:
        return super().evictable and self.alive and self.device.torch_device.type != "cpu"

    @property
    def size(self) -> int:
        return sum(tensor.nbytes for tensor in self._tensors())

    def place(self) -> int:
        moved = 0 if self.placed else self.size
        self.module.to(self.device.torch_device)
        self._mark()
        return moved

    def evict(self) -> int:
        freed = self.bytes
        self.repatch(())
        self.module.to("cpu")
        self._mark()
        return freed

    def patch_names(self) -> PatchNames:
        return {name: name for name in self.module.state_dict()}

    def patch_bytes(self, patches: Patches) -> int:
        """None: patched in place; the originals go to main memory."""
        return 0

    def canonical(self, name: str) -> str | None:
        wanted = self.module.state_dict(keep_vars=True).get(name)
        names = (other for other, tensor in self.module.state_dict(keep_vars=True).items() if tensor is wanted)
        return None if wanted is None else next(names)

    def _original(self, name: str) -> Tensor:
        return self._originals.setdefault(name, weight(self.module, name).to("cpu", copy=True))

    def _write(self, name: str, value: Tensor) -> None:
        weight(self.module, name).copy_(value)

    def _restore(self, name: str) -> None:
        weight(self.module, name).copy_(self._originals.pop(name))

    def _tensors(self) -> list[Tensor]:
        return [*self.module.parameters(), *self.module.buffers()]

    def _mark(self) -> None:
        tensors = self._tensors()
        self.placed = all(tensor.device == self.device.torch_device for tensor in tensors)
        self.bytes = sum(tensor.nbytes for tensor in tensors) if self.placed else 0
