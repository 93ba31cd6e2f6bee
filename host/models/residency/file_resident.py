"""A part of a model file as a module, with its weights in the file, in main memory or on a device."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor, nn  # noqa: TID253

from host.models.computing.amx.products import Products
from host.models.computing.attention import AttentionFunction, use_attention
from host.models.computing.compact_weight import CompactWeight
from host.models.computing.cpu_weight import CpuWeight
from host.models.computing.low_rank import AddLowRank
from host.models.computing.stand_in import OnUse, StandIn
from host.models.computing.streaming import Stream, StreamedWeight, choose_streamed, least_room
from host.models.errors import ModelFileError
from host.models.files.weights import stored_as
from host.models.loading import Slot, assemble, blank, owner, put, weight
from host.models.opening import OpenedFile
from host.models.patches import PatchNames, Step, patched, plan
from host.models.read_ahead import WORTHWHILE, ReadAhead
from host.models.reading import stored_part
from host.models.residency.devices import Device
from host.models.residency.resident import Patches, Resident
from host.models.residency.retrying import retry_when_full
from host.models.residency.weight_forms import WeightForms
from sdk.models import ModelHandle, Part, StoredPart

REPEATED = frozenset({"denoiser", "controlnet"})
"""Parts that are computed with at every step of a run; others once or twice a run."""


@dataclass(frozen=True)
class _Built:
    """The module, and all that is known of its weights.

    Attributes:
        slots: where each weight comes from, in the file's order.
        by_name: the same by each name that the module has for a weight.
        fixed: buffers that the module computed itself.
    """

    module: nn.Module
    slots: Sequence[Slot]
    by_name: Mapping[str, Slot]
    fixed: Mapping[str, Tensor]
    forms: WeightForms

    @cached_property
    def fixed_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.fixed.values())

    @cached_property
    def size(self) -> int:
        """What placing it takes: pages of the file where it is converted only when it is used."""
        return self.forms.size + self.fixed_bytes

    @cached_property
    def least(self) -> int:
        """What it takes where everything is streamed that can be."""
        streamable = list(filter(_streams, self.slots))
        return self.size - sum(map(self.forms.bytes, streamable)) + self.room_to_stream(streamable)

    def room_to_stream(self, slots: Iterable[Slot]) -> int:
        """What the device needs for weights when they are streamed; of tables, only rows that are looked up come."""
        return least_room([self.forms.bytes(slot) for slot in slots if not self.is_table(slot)])

    def is_table(self, slot: Slot) -> bool:
        return self.forms.compact_bytes(slot) is None and self.is_all(slot, nn.Embedding)

    def is_all(self, slot: Slot, kind: type[nn.Module]) -> bool:
        """Whether a large weight is that of such layers under all of its names."""
        return not self.forms.is_small(slot) and all(_is_weight_of(kind, self.module, name) for name in slot.names)


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
        self._kept: _Built | None = None
        self._names: PatchNames | None = None
        self._on_use: dict[str, OnUse] = {}
        self._reading: ReadAhead | None = None
        self._stream: Stream | None = None
        self._streamed = self._passing = 0

    @property
    def origin(self) -> tuple[OpenedFile, Part]:
        """The file and the part of it."""
        return self._opened, self._part

    @property
    def returns(self) -> bool:
        try:
            self._verify(self._opened)
        except ModelFileError:
            return False
        return True

    @property
    def is_gone(self) -> bool:
        """Its file may have had another name, under which it was opened meanwhile."""
        return not self.placed and not self.users and not all(path.exists() for path in self._opened.contents)

    @property
    def source(self) -> str:
        return str(self._opened.path)

    @property
    def module(self) -> nn.Module:
        return self._built.module

    @property
    def size(self) -> int:
        return self._built.size

    @property
    def own_size(self) -> int:
        return self._built.forms.copied_size + self._built.fixed_bytes

    @property
    def streamed_bytes(self) -> int:
        return self._streamed

    @property
    def passing_bytes(self) -> int:
        return self._passing

    @property
    def has_kernels(self) -> bool:
        return self._products is not None

    @property
    def add_low_rank(self) -> AddLowRank:
        return super().add_low_rank if self._products is None else self._products.add_low_rank

    @property
    def least(self) -> int:
        return self.size if self.device.maps_files else self._built.least

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
                self._passing = self._built.room_to_stream(streamed)
                self._stream = stream = Stream(self.device.torch_device)
                copied = sum(self._place(slot, stream if slot in streamed else None) for slot in self._built.slots)
                for name, tensor in self._built.fixed.items():
                    put(self.module, (name,), tensor.to(self.device.torch_device))
                if self._reading is not None:
                    self._reading.wait()
                    self._reading = None
        except BaseException:
            self.evict()
            raise
        self.ledger.own += self._built.fixed_bytes
        self.placed = True
        return copied

    def evict(self) -> int:
        """Leave the module without weights; they are in the file."""
        freed = self.bytes
        with torch.inference_mode(False), torch.no_grad():
            for slot in self._built.slots:
                put(self.module, slot.names, blank(slot))
                self._file.release(slot.source.key)
            for name, tensor in self._built.fixed.items():
                put(self.module, (name,), tensor)
        self._on_use.clear()
        if self._stream is not None:
            self._stream.close()
        self.ledger.clear()
        self.placed, self._stream, self._streamed, self._passing = False, None, 0, 0
        self.applied.clear()
        return freed

    def rest(self) -> None:
        if self._stream is not None:
            self._stream.rest()

    def forget(self) -> None:
        """Drop the module; the next use builds it again."""
        self._kept = None

    def patch_names(self) -> PatchNames:
        if self._names is None:
            given = self._part.patch_names
            self._names = given() if given is not None else {name: name for name in self._part.weights}
        return self._names

    def canonical(self, name: str) -> str | None:
        slot = self._built.by_name.get(name)
        return None if slot is None else slot.names[0]

    def originals(self) -> Mapping[str, Callable[[], Tensor]]:
        return {slot.names[0]: partial(self._forms.view, slot) for slot in self._built.slots}

    def stored(self, patches: Patches) -> StoredPart:
        return stored_part(self._opened, self._part, self._built.slots, plan(patches, self.canonical))

    def _original(self, name: str) -> Tensor:
        return self._forms.view(self._built.by_name[name])

    def _rebuild(self, name: str, steps: Sequence[Step]) -> int:
        made = self._on_use.get(name)
        if not isinstance(made, CompactWeight):
            return super()._rebuild(name, steps)
        device = self.device.torch_device
        made.change(lambda original: patched(name, original, steps, device))
        return 0

    def _write(self, name: str, value: Tensor) -> None:
        """Beside the file's view where the weight was one (its pages then fall free), else in place."""
        slot, on_use = self._built.by_name[name], self._on_use.get(name)
        if on_use is not None:
            on_use.write(value)
            return
        current = weight(self.module, name)
        written_in_place = name in self.applied and current.data_ptr() == value.data_ptr()
        if self._forms.is_mapped(slot) and not written_in_place:
            fresh = value.to(current.dtype)
            shared = fresh.untyped_storage().data_ptr() == current.untyped_storage().data_ptr()
            put(self.module, slot.names, fresh.clone() if shared else fresh)
            if name not in self.applied:
                self._count(current.nbytes, -1)
        elif not written_in_place:
            current.copy_(value)
        self._file.release(slot.source.key)

    def _restore(self, name: str) -> None:
        slot, on_use = self._built.by_name[name], self._on_use.get(name)
        if on_use is not None:
            on_use.restore()
            return
        view = self._forms.view(slot)
        if self._forms.is_mapped(slot):
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

    @property
    def _forms(self) -> WeightForms:
        return self._built.forms

    @property
    def _built(self) -> _Built:
        if self._kept is None:
            self._kept = self._build()
        return self._kept

    def _build(self) -> _Built:
        assembled = assemble(self._part, self._file.header, self._opened.keys_of_others(self._part.name))
        module, slots = assembled.module, assembled.slots
        fixed = {name: weight(module, name) for name in assembled.fixed}
        forms = WeightForms(slots, self._file, self.device, self._dtype)
        if self._attention is not None:
            use_attention(module, self._attention)
        if not self.device.maps_files:
            retry_when_full(module, partial(self._relieve, self))
        return _Built(module, slots, {name: slot for slot in slots for name in slot.names}, fixed, forms)

    def _choose_streamed(self, room: int) -> frozenset[Slot]:
        """Weights that are brought to the device for each use: tables first, then others, evenly over the module."""
        if self.device.maps_files or self.size <= room:
            return frozenset()
        place = {name: number for number, (name, _) in enumerate(self.module.named_parameters())}
        slots = sorted(filter(_streams, self._built.slots), key=lambda slot: place.get(slot.names[0], -1))
        tables = frozenset(filter(self._built.is_table, slots))
        others = [slot for slot in slots if slot not in tables]
        sizes = [self._forms.bytes(slot) for slot in others]
        fixed = self.size - sum(map(self._forms.bytes, slots))
        return tables | {others[number] for number in choose_streamed(sizes, room - fixed)}

    def _place(self, slot: Slot, stream: Stream | None) -> int:
        """Returns the bytes copied for it."""
        if self._reading is None:
            self._file.prefetch(slot.source.key)
        made = self._made_on_use(slot, stream)
        if made is not None:
            put(self.module, slot.names, StandIn(made))
            self._on_use.update(dict.fromkeys(slot.names, made))
            return made.host.nbytes if isinstance(made, CompactWeight) and stream is None else 0
        size = self._forms.bytes(slot)
        if self._forms.is_mapped(slot):
            put(self.module, slot.names, self._forms.view(slot))
            self.ledger.mapped += size
            return 0
        put(self.module, slot.names, self._forms.copy(slot))
        self.ledger.own += size
        self._file.release(slot.source.key)
        return size

    def _made_on_use(self, slot: Slot, stream: Stream | None) -> OnUse | None:
        forms, release = self._forms, partial(self._file.release, slot.source.key)
        compact, dtype = forms.compact_bytes(slot), forms.computed_in(slot)
        if stream is not None:
            self._streamed += forms.bytes(slot)
        if compact is not None:
            small = CompactWeight(forms.compact(slot), dtype, self.device.torch_device, stream)
            self.ledger.own += 0 if stream else compact
            release()
            return small
        if stream is not None:
            made = StreamedWeight(partial(forms.view, slot), dtype, stream)
            release()
            return made
        repeats = self.handle.part in REPEATED
        packs, multiplies = self._built.is_all(slot, nn.Conv2d), repeats and self._built.is_all(slot, nn.Linear)
        if forms.converts(slot) or (forms.is_mapped(slot) and (packs or multiplies)):
            return CpuWeight(
                partial(forms.source, slot),
                dtype,
                self.ledger,
                release=release,
                packs=packs,
                multiplies=multiplies,
                repeats=repeats,
                products=self._products,
            )
        return None


def _is_weight_of(kind: type[nn.Module], module: nn.Module, name: str) -> bool:
    parent, leaf = owner(module, name)
    return isinstance(parent, kind) and leaf == "weight"


def _streams(slot: Slot) -> bool:
    """Whether it is worth bringing to the device at each use; vectors are too small for that."""
    return len(slot.shape) > 1
