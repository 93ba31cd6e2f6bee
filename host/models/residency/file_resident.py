"""A part of a model file as a module, with its weights in the file, in main memory or on a device."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor, nn  # noqa: TID253

from host.models.computing.amx.products import Products
from host.models.computing.attention import AttentionFunction, use_attention
from host.models.computing.compact_weight import CompactWeight, compact_bytes, compact_form
from host.models.computing.cpu_weight import CpuWeight
from host.models.computing.stand_in import OnUse, StandIn
from host.models.computing.streaming import Stream, StreamedWeight, choose_streamed, least_room
from host.models.files.packed_source import FromPacked
from host.models.files.weights import stored_as
from host.models.loading import Assembled, Slot, assemble, blank, owner, put, seen, weight
from host.models.opening import OpenedFile
from host.models.patches import PatchNames, Step, patched, plan
from host.models.read_ahead import WORTHWHILE, ReadAhead
from host.models.reading import stored_part
from host.models.residency.devices import Device
from host.models.residency.resident import Patches, Resident
from host.models.residency.retrying import retry_when_full
from sdk.models import ModelHandle, Part, StoredPart

SMALL = 1 << 16
"""Weights of fewer bytes are converted when they are placed: making them at each use would cost more than it saves."""

REPEATED = frozenset({"denoiser", "controlnet"})
"""Parts that are computed with at every step of a run; others once or twice a run."""


class FileResident(Resident):
    """A part of a model file. W0 stays in the file: a weight's original is its view, never a second copy.

    On the CPU, weights that are used as they are stored are views of the file for good; others convert themselves
    when they are used (``CpuWeight``). On a device, weights for which there is no room are brought to it for each use
    (``StreamedWeight``).
    """

    def __init__(
        self,
        handle: ModelHandle,
        device: Device,
        *,
        opened: OpenedFile,
        dtype: torch.dtype,
        verify: Callable[[OpenedFile], None],
        relieve: Callable[[Resident], None],
        attention: AttentionFunction | None = None,
        products: Products | None = None,
    ) -> None:
        """``verify`` raises where the file is not the one any more that was opened; ``relieve`` makes room."""
        super().__init__(handle, device)
        self._opened, self._file, self._part = opened, opened.file, opened.parts[handle.part]
        self._dtype, self._verify, self._relieve, self._attention = dtype, verify, relieve, attention
        self._products = products
        self._assembled: Assembled | None = None
        self._slots: Mapping[str, Slot] = {}
        self._fixed: Mapping[str, Tensor] = {}
        self._names: PatchNames | None = None
        self._on_use: dict[str, OnUse] = {}
        self._packed: Mapping[str, FromPacked] = {}
        self._reading: ReadAhead | None = None
        self._streamed = 0

    @property
    def origin(self) -> tuple[OpenedFile, Part]:
        """The file and the part of it."""
        return self._opened, self._part

    @property
    def is_gone(self) -> bool:
        """Its file may have had another name, under which it was opened meanwhile."""
        return not self.placed and not self.users and not all(path.exists() for path in self._opened.contents)

    @property
    def source(self) -> str:
        return str(self._opened.path)

    @property
    def module(self) -> nn.Module:
        return self._assemble().module

    @property
    def size(self) -> int:
        """What placing it takes: pages of the file where it is converted only when it is used."""
        return sum(map(self._bytes, self._assemble().slots)) + self._fixed_bytes

    @property
    def own_size(self) -> int:
        if not self.device.maps_files:
            return self.size
        copied = (slot for slot in self._assemble().slots if not (self._on_file(slot) or self._converts(slot)))
        return sum(map(self._bytes, copied)) + self._fixed_bytes

    @property
    def streamed_bytes(self) -> int:
        return self._streamed

    @property
    def has_kernels(self) -> bool:
        return self._products is not None

    @property
    def least(self) -> int:
        if self.device.maps_files:
            return self.size
        sizes = {slot.names[0]: self._bytes(slot) for slot in self._assemble().slots if _streams(slot)}
        return self.size - sum(sizes.values()) + least_room(tuple(sizes.values()))

    def read_ahead(self) -> None:
        """Read the file while the module is built, where its pages can be used as they are and there is room."""
        if self.placed or self._reading is not None or not self.device.maps_files:
            return
        header, wanted = self._file.header, {source.key for source in self._part.weights.values()}
        keys = [key for key in header.tensors if key in wanted]
        size = sum(math.prod(header.tensors[key].shape) * stored_as(header, key).itemsize for key in keys)
        if WORTHWHILE <= size <= self.device.free(0):
            self._verify(self._opened)
            self._reading = ReadAhead(self._file, keys)

    def stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.give_up()
            self._reading = None

    def place(self, room: int) -> int:
        """Raises ChangedFile; whatever goes wrong, no weight stays on the device."""
        self._verify(self._opened)
        try:
            with torch.inference_mode(False), torch.no_grad():
                streamed = self._choose_streamed(room)
                stream = Stream(self.device.torch_device)
                copied = sum(self._place(slot, stream if slot in streamed else None) for slot in self._order())
                for name, tensor in self._fixed.items():
                    put(self.module, (name,), tensor.to(self.device.torch_device))
                if self._reading is not None:
                    self._reading.wait()
                    self._reading = None
        except BaseException:
            self.evict()
            raise
        self.ledger.own += self._fixed_bytes
        self.placed = True
        return copied

    def evict(self) -> int:
        """Leave the module without weights; they are in the file."""
        freed = self.bytes
        with torch.inference_mode(False), torch.no_grad():
            for slot in self._assemble().slots:
                put(self.module, slot.names, blank(slot))
                self._file.release(slot.source.key)
            for name, tensor in self._fixed.items():
                put(self.module, (name,), tensor)
        self._on_use.clear()
        self.ledger.clear()
        self.placed, self._streamed = False, 0
        self.applied.clear()
        return freed

    def forget(self) -> None:
        """Drop the module; the next use builds it again."""
        self._assembled, self._slots, self._fixed, self._packed = None, {}, {}, {}

    def patch_names(self) -> PatchNames:
        if self._names is None:
            given = self._part.patch_names
            self._names = given() if given is not None else {name: name for name in self._part.weights}
        return self._names

    def canonical(self, name: str) -> str | None:
        self._assemble()
        slot = self._slots.get(name)
        return None if slot is None else slot.names[0]

    def originals(self) -> Mapping[str, Callable[[], Tensor]]:
        return {slot.names[0]: partial(self._view, slot) for slot in self._assemble().slots}

    def stored(self, patches: Patches) -> StoredPart:
        return stored_part(self._opened, self._part, self._assemble().slots, plan(patches, self.canonical))

    def _original(self, name: str) -> Tensor:
        return self._view(self._slots[name])

    def _rebuild(self, name: str, steps: Sequence[Step]) -> int:
        made = self._on_use.get(name)
        if not isinstance(made, CompactWeight):
            return super()._rebuild(name, steps)
        device = self.device.torch_device
        made.change(lambda original: patched(name, original, steps, device))
        return 0

    def _write(self, name: str, value: Tensor) -> None:
        """Beside the file's view where the weight was one (its pages then fall free), else in place."""
        slot, on_use = self._slots[name], self._on_use.get(name)
        if on_use is not None:
            on_use.write(value)
            return
        current = weight(self.module, name)
        written_in_place = name in self.applied and current.data_ptr() == value.data_ptr()
        if self._on_file(slot) and not written_in_place:
            fresh = value.to(current.dtype)
            shared = fresh.untyped_storage().data_ptr() == current.untyped_storage().data_ptr()
            put(self.module, slot.names, fresh.clone() if shared else fresh)
            if name not in self.applied:
                self._count(current.nbytes, -1)
        elif not written_in_place:
            current.copy_(value)
        self._file.release(slot.source.key)

    def _restore(self, name: str) -> None:
        slot, on_use = self._slots[name], self._on_use.get(name)
        if on_use is not None:
            on_use.restore()
            return
        view = self._view(slot)
        if self._on_file(slot):
            put(self.module, slot.names, view)
            self._count(view.nbytes, 1)
        else:
            weight(self.module, name).copy_(view)
            self._file.release(slot.source.key)

    def _room(self, name: str) -> Tensor | None:
        made = self._on_use.get(name)
        if made is not None:
            return made.room() if isinstance(made, CpuWeight) else None
        current = weight(self.module, name)
        return current if current.dtype == torch.float32 and current.is_contiguous() else None

    def _count(self, size: int, mapped: int) -> None:
        self.ledger.mapped += size * mapped
        self.ledger.own -= size * mapped

    def _assemble(self) -> Assembled:
        if self._assembled is None:
            assembled = assemble(self._part, self._file.header, self._opened.keys_of_others(self._part.name))
            self._fixed = {name: weight(assembled.module, name) for name in assembled.fixed}
            self._slots = {name: slot for slot in assembled.slots for name in slot.names}
            packed = ((slot, self._file.packed(slot.source.key)) for slot in assembled.slots)
            self._packed = {slot.names[0]: FromPacked.of(one, slot.source) for slot, one in packed if one is not None}
            if self._attention is not None:
                use_attention(assembled.module, self._attention)
            if not self.device.maps_files:
                retry_when_full(assembled.module, partial(self._relieve, self))
            self._assembled = assembled
        return self._assembled

    def _order(self) -> list[Slot]:
        """The weights as the file has them, so that it is read from front to back."""
        return list(self._assemble().slots)

    def _choose_streamed(self, room: int) -> frozenset[Slot]:
        """Weights that are brought to the device for each use, spread evenly over the module."""
        if self.device.maps_files or self.size <= room:
            return frozenset()
        place = {name: number for number, (name, _) in enumerate(self.module.named_parameters())}
        slots = sorted(filter(_streams, self._assemble().slots), key=lambda slot: place.get(slot.names[0], -1))
        sizes = [self._bytes(slot) for slot in slots]
        return frozenset(slots[number] for number in choose_streamed(sizes, room - (self.size - sum(sizes))))

    def _place(self, slot: Slot, stream: Stream | None) -> int:
        """Returns the bytes copied for it."""
        if self._reading is None:
            self._file.prefetch(slot.source.key)
        made = self._made_on_use(slot, stream)
        if made is not None:
            put(self.module, slot.names, StandIn(made))
            self._on_use.update(dict.fromkeys(slot.names, made))
            return made.host.nbytes if isinstance(made, CompactWeight) and stream is None else 0
        view = self._view(slot)
        if self._on_file(slot):
            put(self.module, slot.names, view)
            self.ledger.mapped += self._bytes(slot)
            return 0
        put(self.module, slot.names, self._copied(slot, view))
        self.ledger.own += self._bytes(slot)
        self._file.release(slot.source.key)
        return self._bytes(slot)

    def _made_on_use(self, slot: Slot, stream: Stream | None) -> OnUse | None:
        release = partial(self._file.release, slot.source.key)
        compact = self._compact_bytes(slot)
        if stream is not None:
            self._streamed += self._bytes(slot)
        if compact is not None:
            small = self._compact(slot, stream)
            self.ledger.own += 0 if stream else compact
            release()
            return small
        if stream is not None:
            made = StreamedWeight(partial(self._view, slot), self._target(slot), stream)
            release()
            return made
        repeats = self.handle.part in REPEATED
        packs, multiplies = self._is_all(slot, nn.Conv2d), repeats and self._is_all(slot, nn.Linear)
        if self._converts(slot) or (self._on_file(slot) and (packs or multiplies)):
            return CpuWeight(
                partial(self._source, slot),
                self._target(slot),
                self.ledger,
                release=release,
                packs=packs,
                multiplies=multiplies,
                repeats=repeats,
                products=self._products,
            )
        return None

    def _copied(self, slot: Slot, view: Tensor) -> Tensor:
        if not self.device.maps_files:
            return view.to(self.device.torch_device, copy=True).to(self._target(slot))
        # Copied only once where the file gives a copy anyway, unless that would keep more alive than this weight.
        own = not self._file.maps(slot.source.key) and slot.source.narrow is None
        return view.to(self._target(slot), copy=not own)

    def _view(self, slot: Slot) -> Tensor:
        source = self._source(slot)
        return source.tensor() if isinstance(source, FromPacked) else source

    def _source(self, slot: Slot) -> Tensor | FromPacked:
        packed = self._packed.get(slot.names[0])
        if packed is not None:
            return packed
        view = seen(self._file.tensor(slot.source.key), slot.source)
        assert view is not None, "assemble() has checked every source"
        return view

    @property
    def _fixed_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._fixed.values())

    def _bytes(self, slot: Slot) -> int:
        packed = self._packed.get(slot.names[0])
        if self._converts(slot):
            return slot.bytes_in(slot.stored) if packed is None else packed.nbytes
        compact = self._compact_bytes(slot)
        return slot.bytes_in(self._target(slot)) if compact is None else compact

    def _compact_bytes(self, slot: Slot) -> int | None:
        """In how many bytes a device holds the weight, where those are fewer than it is computed with."""
        if self.device.maps_files or slot.bytes_in(self._target(slot)) < SMALL:
            return None
        return compact_bytes(slot.shape, slot.stored, self._target(slot), self._packed.get(slot.names[0]))

    def _compact(self, slot: Slot, stream: Stream | None) -> CompactWeight:
        weight = self._view(slot) if slot.stored.itemsize == 1 else self._source(slot)
        return CompactWeight(compact_form(weight), self._target(slot), self.device.torch_device, stream)

    def _target(self, slot: Slot) -> torch.dtype:
        return self._dtype if slot.stored.is_floating_point else slot.stored

    def _from_file(self, slot: Slot) -> bool:
        return self.device.maps_files and self._file.maps(slot.source.key)

    def _on_file(self, slot: Slot) -> bool:
        """Whether the file's tensor is used as it is."""
        return self._target(slot) == slot.stored and self._from_file(slot)

    def _converts(self, slot: Slot) -> bool:
        """Whether the weight is made from the file's tensor when it is used."""
        if not self.device.maps_files or slot.bytes_in(self._target(slot)) < SMALL:
            return False
        if slot.names[0] in self._packed:
            return True
        return self._target(slot) != slot.stored and self._file.maps(slot.source.key)

    def _is_all(self, slot: Slot, kind: type[nn.Module]) -> bool:
        """Whether a large weight is that of such layers under all of its names."""
        large = slot.bytes_in(self._target(slot)) >= SMALL
        return large and all(_is_weight_of(kind, self.module, name) for name in slot.names)


def _is_weight_of(kind: type[nn.Module], module: nn.Module, name: str) -> bool:
    parent, leaf = owner(module, name)
    return isinstance(parent, kind) and leaf == "weight"


def _streams(slot: Slot) -> bool:
    """Whether it is worth bringing to the device at each use; vectors are too small for that."""
    return len(slot.shape) > 1
