"""In what form a device holds each weight of a file."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.computing.compact_weight import compact_bytes, compact_form
from host.models.files.packed_source import FromPacked
from host.models.files.weights import WeightFile
from host.models.loading import Slot, seen
from host.models.residency.devices import Device

SMALL = 1 << 16
"""Weights of fewer bytes are converted when they are placed: making them at each use would cost more than it saves."""


class WeightForms:
    """A part's weights on a device that computes in a dtype.

    Where files are mapped, a weight is a view of the file, or converts itself when it is used; else it is copied. A
    device holds it as it is stored where that takes fewer bytes (``compact``).
    """

    def __init__(self, slots: Iterable[Slot], file: WeightFile, device: Device, dtype: torch.dtype) -> None:
        self._slots, self._file, self._device, self._dtype = tuple(slots), file, device, dtype
        packed = ((slot, file.packed(slot.source.key)) for slot in self._slots)
        self._packed = {slot.names[0]: FromPacked.of(one, slot.source) for slot, one in packed if one is not None}

    @cached_property
    def size(self) -> int:
        """What placing all takes: pages of the file where a weight is converted only when it is used."""
        return sum(map(self.bytes, self._slots))

    @cached_property
    def copied_size(self) -> int:
        """What of it is no pages of the file."""
        return sum(self.bytes(slot) for slot in self._slots if not (self.is_mapped(slot) or self.converts(slot)))

    def bytes(self, slot: Slot) -> int:
        """What placing a weight takes."""
        if self.converts(slot):
            packed = self._packed.get(slot.names[0])
            return slot.bytes_in(slot.stored) if packed is None else packed.nbytes
        compact = self.compact_bytes(slot)
        return self.computed_bytes(slot) if compact is None else compact

    def computed_bytes(self, slot: Slot) -> int:
        """What it takes in the dtype that it is computed with in."""
        return slot.bytes_in(self.computed_in(slot))

    def computed_in(self, slot: Slot) -> torch.dtype:
        return self._dtype if slot.stored.is_floating_point else slot.stored

    def source(self, slot: Slot) -> Tensor | FromPacked:
        """The weight as the file has it, or what makes it."""
        packed = self._packed.get(slot.names[0])
        if packed is not None:
            return packed
        view = seen(self._file.tensor(slot.source.key), slot.source)
        assert view is not None, "assemble() has checked every source"
        return view

    def view(self, slot: Slot) -> Tensor:
        """The weight as the file has it."""
        source = self.source(slot)
        return source.tensor() if isinstance(source, FromPacked) else source

    def copy(self, slot: Slot) -> Tensor:
        """A weight of the device's own, as it is computed with."""
        view, dtype = self.view(slot), self.computed_in(slot)
        if not self._device.maps_files:
            return view.to(self._device.torch_device, copy=True).to(dtype)
        # Copied only once where the file gives a copy anyway, unless that would keep more alive than this weight.
        own = not self._file.maps(slot.source.key) and slot.source.narrow is None
        return view.to(dtype, copy=not own)

    def compact(self, slot: Slot) -> FromPacked:
        """The weight as a device holds it in fewer bytes."""
        return compact_form(self.view(slot) if slot.stored.itemsize == 1 else self.source(slot))

    def compact_bytes(self, slot: Slot) -> int | None:
        """In how many bytes a device holds the weight, where those are fewer than it is computed with."""
        if self._device.maps_files or self.is_small(slot):
            return None
        return compact_bytes(slot.shape, slot.stored, self.computed_in(slot), self._packed.get(slot.names[0]))

    def is_small(self, slot: Slot) -> bool:
        return self.computed_bytes(slot) < SMALL

    def is_mapped(self, slot: Slot) -> bool:
        """Whether the file's tensor is used as it is."""
        as_stored = self.computed_in(slot) == slot.stored
        return as_stored and self._device.maps_files and self._file.maps(slot.source.key)

    def converts(self, slot: Slot) -> bool:
        """Whether the weight is made from the file's tensor when it is used."""
        if not self._device.maps_files or self.is_small(slot):
            return False
        if slot.names[0] in self._packed:
            return True
        return self.computed_in(slot) != slot.stored and self._file.maps(slot.source.key)
