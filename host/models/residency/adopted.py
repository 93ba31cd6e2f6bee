"""Modules that packs loaded themselves, so that they take part in placement and eviction."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from functools import partial

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor, nn  # noqa: TID253

from host.models.errors import NoFileBehind, UnknownHandle
from host.models.loading import weight
from host.models.patches import PatchNames
from host.models.residency.devices import Device
from host.models.residency.resident import Patches, Resident
from sdk.models import ModelHandle, StoredPart


class AdoptedResident(Resident):
    """A module that a pack made. It lives as long as handles name it; evicted, it waits in main memory."""

    def __init__(self, handle: ModelHandle, device: Device, module: nn.Module) -> None:
        super().__init__(handle, device)
        self._module = weakref.ref(module)
        self._originals: dict[str, Tensor] = {}
        self._canonical: dict[str, str] = {}
        first: dict[int, str] = {}
        for name, tensor in module.state_dict(keep_vars=True).items():
            self._canonical[name] = first.setdefault(id(tensor), name)
        if all(tensor.device == device.torch_device for tensor in _tensors(module)):
            self.placed, self.ledger.own = True, self.size

    @property
    def module(self) -> nn.Module:
        module = self._module()
        if module is None:
            raise UnknownHandle(self.handle.key)
        return module

    @property
    def source(self) -> str:
        return self.handle.identity.because

    @property
    def evictable(self) -> bool:
        return super().evictable and not self.device.maps_files and self._module() is not None

    @property
    def size(self) -> int:
        return sum(tensor.nbytes for tensor in _tensors(self.module))

    def read_ahead(self) -> None:
        """Nothing: its weights are in main memory."""

    def stop_reading(self) -> None:
        """Nothing is being read."""

    def place(self, room: int) -> int:
        """Whatever goes wrong, none of it stays on the device."""
        module = self.module
        with torch.inference_mode(False):
            try:
                module.to(self.device.torch_device)
            except BaseException:
                module.to("cpu")
                raise
        self.placed, self.ledger.own = True, self.size
        return self.bytes

    def evict(self) -> int:
        """Nothing is left to move where the owner dropped the module meanwhile."""
        freed, module = self.bytes, self._module()
        if module is not None:
            self.repatch(())
            with torch.inference_mode(False):
                module.to("cpu")
        self.placed = False
        self.ledger.clear()
        return freed

    def rest(self) -> None:
        """Nothing is on its way: it is on its device as a whole."""

    def forget(self) -> None:
        """Nothing: only its owner can make the module again."""

    def patch_names(self) -> PatchNames:
        return {name: name for name in self._canonical}

    def canonical(self, name: str) -> str | None:
        return self._canonical.get(name)

    def originals(self) -> Mapping[str, Callable[[], Tensor]]:
        return {name: partial(self._untouched, name) for name in dict.fromkeys(self._canonical.values())}

    def stored(self, patches: Patches) -> StoredPart:
        raise NoFileBehind(self.source)

    def _untouched(self, name: str) -> Tensor:
        return self._originals[name] if name in self._originals else weight(self.module, name).cpu()

    def _original(self, name: str) -> Tensor:
        if name not in self._originals:
            self._originals[name] = weight(self.module, name).to("cpu", copy=True)
        return self._originals[name]

    def _write(self, name: str, value: Tensor) -> None:
        weight(self.module, name).copy_(value)

    def _restore(self, name: str) -> None:
        weight(self.module, name).copy_(self._originals.pop(name))


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
