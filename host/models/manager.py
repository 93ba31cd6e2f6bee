"""The one owner of all model weights: opens, lends and frees them."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import nn  # noqa: TID253

from host.models.computing.amx.kernels import Kernels, kernels_for_this_cpu
from host.models.computing.compiling import Compiler
from host.models.errors import DeviceUnavailable, HeldMeanwhile, UnknownHandle
from host.models.identity_cache import IdentityCache
from host.models.library import Library
from host.models.loading import stored_dtype
from host.models.opening import ModelFiles, OpenedFile
from host.models.patch_files import PatchFile
from host.models.patches import plan, read_deltas
from host.models.reading import PatchedWeights
from host.models.residency.adopted import AdoptedResident
from host.models.residency.devices import Device, ModelSettings, choose_dtype, open_device
from host.models.residency.file_resident import REPEATED, FileResident
from host.models.residency.placement import Counters, Holding, Placement
from host.models.residency.resident import Resident, Use
from sdk.models import (
    COMPILE,
    COMPILE_BACKENDS,
    COMPUTE_DTYPE,
    Identity,
    ModelFamily,
    ModelHandle,
    Part,
    PatchFormat,
    PatchSet,
    StoredPart,
)

ADOPTED_MODULE = "adopted_module"
"""The option under which handles of adopted modules keep their module alive."""


class ModelManager:
    """Implements ``sdk.models.ModelAccess``.

    One lock, one owner: whoever borrows holds the lock for the length of the ``with`` block, so that weights and
    patches can't change under it. The same thread may borrow further models, and the same one again, also with other
    patches, which are undone when the inner block ends. Other threads wait; opening files, reading patches and
    ``report()`` don't need the lock. Hooks about loads and evictions are called with the lock held.

    Args:
        library: knows the files.
        families: know what is in them; no two of one name.
        patch_formats: know how weight changes are stored; all are asked.
        device: where parts go for which ``choose_device`` says nothing else.
        settings: dtype, and the budget for further devices.
        hook: a pluggy manager's ``hook``; None for no plugins.
        clock: seconds, for measuring what a reload takes.
        identities: remembers what files are; by default for the life of this object.
    """

    def __init__(
        self,
        library: Library,
        families: Sequence[ModelFamily],
        patch_formats: Sequence[PatchFormat],
        device: Device,
        settings: ModelSettings | None = None,
        hook: Any = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
        open_device: Callable[[str, int | None], Device] = open_device,
        identities: IdentityCache | None = None,
    ) -> None:
        self._library, self._patch_formats, self._hook = library, tuple(patch_formats), hook
        self._settings = settings or ModelSettings()
        self._files = ModelFiles(library, families, hook, identities)
        self._default, self._open_device = device, open_device
        self._devices = {device.name: device}
        self._lock = threading.RLock()
        self._placement = Placement(hook, clock)
        self._adopted: weakref.WeakKeyDictionary[nn.Module, ModelHandle] = weakref.WeakKeyDictionary()
        self._compiler = Compiler(self._settings.compiled)
        self._patch_sets: weakref.WeakValueDictionary[tuple[str, str], PatchSet] = weakref.WeakValueDictionary()
        self._adoptions = itertools.count(1)

    @property
    def counters(self) -> Counters:
        """What has been done so far."""
        return self._placement.counters

    def identify(self, path: Path) -> Identity:
        """What a model file is and why, from its header alone."""
        return self._files.identify(path)

    def open(self, path: Path, *, rounded_to: str | None = None) -> Mapping[str, ModelHandle]:
        """Handles of the parts inside a file, by part name; reads the header, loads nothing.

        ``rounded_to`` names a dtype, as safetensors spells it, that the file's weights are rounded to.
        """
        opened = self._files.open(path, rounded_to)
        return {name: self._handle(opened, part) for name, part in opened.parts.items()}

    def open_together(
        self, files: Mapping[str, Path], facts: Mapping[str, Any] | None = None
    ) -> Mapping[str, ModelHandle]:
        """Handles of the parts that several files make together; reads their headers, loads nothing."""
        opened = self._files.open_together(files, facts or {})
        return {name: self._handle(opened, part) for name, part in opened.parts.items()}

    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Iterator[Any]:
        """The module on its device with exactly the handle's patches, for the length of a ``with`` block.

        ``working_bytes`` is what the caller will need beside the weights: others leave to make that room, as far as
        they can, and weights that then don't fit are brought to the device for each use. Where computing runs out of
        memory all the same, everyone else leaves, and the call is repeated once.

        Raises:
            OutOfBudget: the weights can't be held, not even streamed.
            DeviceFull: loading or computing ran out of memory twice.
            HeldMeanwhile: an asynchronous task holds it with other patches while it waits.
        """
        use = Use(handle, working_bytes, _running_task())
        with self._lock, _reading_ahead(self._current(handle)) as resident:
            _refuse_mixing(resident, use)
            module = resident.module
            resident.users.append(use)
            try:
                self._placement.ready(resident)
                with self._account_of_full_devices(resident), self._compiled(module, handle, resident):
                    yield module
            finally:
                self._end(resident, use)

    @property
    def torch_device(self) -> torch.device:
        """Where models run that no plugin wants elsewhere; doesn't wait for anyone."""
        return self._default.torch_device

    def device(self, handle: ModelHandle) -> torch.device:
        """The torch device on which the handle's module runs."""
        return self._resident(handle).device.torch_device

    def weights(self, handle: ModelHandle) -> PatchedWeights:
        """The handle's weights one by one, to be compared, merged or changed; nothing is placed on a device."""
        resident = self._resident(handle)
        with self._lock:
            return PatchedWeights(resident.originals(), plan(handle.patches, resident.canonical), resident.patch_names)

    def stored(self, handle: ModelHandle) -> StoredPart:
        """The handle's weights in its file's layout, to be saved; nothing is placed on a device."""
        resident = self._resident(handle)
        with self._lock:
            return resident.stored(handle.patches)

    def read_patches(self, path: Path, handles: Sequence[ModelHandle]) -> Sequence[PatchSet]:
        """The patch sets of a LoRA-like file, one for each handle; what fits none is in ``unmatched``.

        Messages about a set show the name that the file was asked for by: each name of a file has sets of its own.
        """
        file = PatchFile(path, self._library.shared_key(path))
        return [self._patch_set(file, handle) for handle in handles]

    def adopt(self, owner: str, module: Any, *, adapter: Any = None, identity: Identity | None = None) -> ModelHandle:
        """A handle for a module that a pack loaded itself, so that it takes part in placement and eviction.

        The module lives as long as such a handle does; the same module gives equal handles.
        """
        if not isinstance(module, nn.Module):
            raise TypeError(f"{owner} wants a {type(module).__name__} adopted; only torch.nn.Module can be")
        with self._lock:
            handle = self._adopted.get(module)
            if handle is None:
                because = f"adopted from {owner}"
                identity = identity or Identity(family=owner, kind="adopted", config={}, because=because)
                key = f"adopted:{owner}:{next(self._adoptions)}"
                handle = ModelHandle(key=key, part=identity.kind, identity=identity, adapter=None)
                resident = AdoptedResident(handle, self._device_for(handle.part, identity), module)
                self._adopted[module] = handle
                self._placement.residents[key] = resident
                weakref.finalize(module, self._placement.residents.pop, key, None)
        return replace(handle, adapter=adapter).with_options(**{ADOPTED_MODULE: module})

    def free(self, *, unload_models: bool = True) -> int:
        """Take everything off its device that nobody is using, and give cached memory back; returns the bytes freed.

        Waits for a borrow in another thread to end.
        """
        with self._lock:
            self._files.forget_missing()
            self._forget_replaced()
            idle = [resident for resident in self._placement.all() if unload_models and resident.evictable]
            freed = sum(self._placement.evict(resident) for resident in idle)
            for resident in idle:
                resident.forget()
            for device in self._devices.values():
                device.release_cached()
            return freed

    def report(self) -> tuple[Holding, ...]:
        """Who holds how many bytes now, largest first; doesn't wait for anyone."""
        return self._placement.report()

    def _forget_replaced(self) -> None:
        """Drop the modules of files that have other content by now or are gone: nobody will open those again."""
        for _ in range(len(self._files.replaced)):
            opened = self._files.replaced.popleft()
            residents = [each for each in self._placement.all() if isinstance(each, FileResident)]
            modules = [resident for resident in residents if resident.origin[0] is opened]
            if any(resident.users for resident in modules):
                self._files.replaced.append(opened)  # until the next time
            else:
                self._renew(opened, modules)

    def _renew(self, opened: OpenedFile, modules: Sequence[FileResident]) -> None:
        """Drop the modules of a forgotten file; handles of the same content go on with the file that has it now."""
        for resident in modules:
            self._placement.remove(resident)
        found = self._files.still_open(opened.content)
        if found is not None:
            for part in found.parts.values():
                self._handle(found, part)

    def _handle(self, opened: OpenedFile, part: Part, computed_in: str | None = None) -> ModelHandle:
        device = self._device_for(part.name, opened.identity)
        stored = stored_dtype(part, opened.file.header)
        dtype = choose_dtype(computed_in or self._settings.dtype, device, stored, part.name)
        key = f"{opened.content}:{part.name}:{str(dtype).removeprefix('torch.')}"
        handle = ModelHandle(key=key, part=part.name, identity=opened.identity, adapter=part.adapter)
        if self._placement.lacks(key):
            attention = self._ask("choose_attention", part=part.name, identity=opened.identity)
            kernels = self._kernels(part.name, device, dtype)
            resident = FileResident(
                handle,
                device,
                opened=opened,
                dtype=dtype,
                verify=self._files.check_unchanged,
                relieve=self._placement.relieve,
                attention=attention or (kernels.attention if kernels else None),
                products=kernels.products if kernels else None,
            )
            self._placement.add(resident)
        return handle

    def _device_for(self, part: str, identity: Identity) -> Device:
        name = self._ask("choose_device", part=part, identity=identity)
        if name is None or name == self._default.name:
            return self._default
        if name not in self._devices:
            self._devices[name] = self._open_device(name, self._settings.vram)
        return self._devices[name]

    def _kernels(self, part: str, device: Device, dtype: torch.dtype) -> Kernels | None:
        repeats = self._settings.compile and part in REPEATED
        if not repeats or not device.maps_files or dtype != torch.float32:
            return None
        return kernels_for_this_cpu(self._settings.compiled)

    def _compiled(self, module: nn.Module, handle: ModelHandle, resident: Resident) -> AbstractContextManager[None]:
        """What a node asks for must work, what the settings ask for may fail.

        Where a module's layers have compiled kernels, compiling what lies between them gains nothing.
        """
        asked: str | None = handle.options.get(COMPILE)
        wanted = self._settings.compile and handle.part in REPEATED and not resident.has_kernels
        if asked is None and not wanted:
            return nullcontext()
        return self._compiler.compiled(module, asked or COMPILE_BACKENDS[0], must=asked is not None)

    def _current(self, handle: ModelHandle) -> Resident:
        """The handle's module; one of a file that has been replaced, which says so, where nothing has its content."""
        found = self._resident(handle)
        self._forget_replaced()
        return self._placement.residents.get(found.handle.key, found)

    def _resident(self, handle: ModelHandle) -> Resident:
        try:
            resident = self._placement.residents[handle.key]
        except KeyError:
            raise UnknownHandle(handle.key) from None
        dtype: str | None = handle.options.get(COMPUTE_DTYPE)
        if dtype is None:
            return resident
        if not isinstance(resident, FileResident):
            raise DeviceUnavailable(dtype, f"the module of {resident.source} has a dtype of its own.")
        return self._placement.residents[self._handle(*resident.origin, dtype).key]

    @contextmanager
    def _account_of_full_devices(self, resident: Resident) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise self._placement.full(resident) from error

    def _end(self, resident: Resident, use: Use) -> None:
        resident.users.remove(use)
        if not resident.users:
            resident.rest()
        elif resident.placed:
            self._placement.repatch(resident, resident.users[-1].handle)
        self._placement.bring_back(resident)

    def _patch_set(self, file: PatchFile, handle: ModelHandle) -> PatchSet:
        found = self._patch_sets.get((file.key, handle.key))
        if found is None:
            resident = self._resident(handle)

            def original_of(name: str) -> torch.Tensor:
                return resident.originals()[resident.canonical(name) or name]()

            names = resident.patch_names()
            deltas, unmatched = read_deltas(self._patch_formats, file, names, original_of)
            key = f"{file.key} for {handle.identity.family}'s {handle.part}"
            found = PatchSet(key=key, deltas=deltas, unmatched=tuple(unmatched))
            self._patch_sets[file.key, handle.key] = found
        return found

    def _ask(self, hook: str, **arguments: Any) -> Any:
        return None if self._hook is None else getattr(self._hook, hook)(**arguments)


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return None


def _refuse_mixing(resident: Resident, use: Use) -> None:
    """Raise HeldMeanwhile where another task has the module, with other patches, and will go on to compute with it.

    The lock can't make it wait: tasks of one event loop share a thread.
    """
    for other in resident.users:
        if other.task is not use.task and other.handle.patch_key != use.handle.patch_key:
            raise HeldMeanwhile(f"{resident.handle.part} of {resident.source}")


@contextmanager
def _reading_ahead(resident: Resident) -> Iterator[Resident]:
    """The module, once its weights begin to be read, which leaves time to build the module and to make room."""
    resident.read_ahead()
    try:
        yield resident
    finally:
        resident.stop_reading()
