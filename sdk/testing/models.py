"""A model manager without models: hands out whatever modules a test gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdk.errors import NodeError
from sdk.models import Header, Identity, ModelHandle, PatchSet, PatchTarget, StoredPart


class FakeWeights(dict[str, Any]):
    """Implements ``PartWeights`` over tensors in memory."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {name: tuple(tensor.shape) for name, tensor in self.items()}

    @property
    def aliases(self) -> Mapping[str, PatchTarget]:
        return {name: name for name in self}


@dataclass
class FakeModels:
    """Implements ``ModelAccess`` over modules in memory; places and patches nothing.

    Attributes:
        files: parts by file name, ``{"tiny.safetensors": {"vae": module}}``.
        patches: patch sets by file name, one for each handle asked about.
        adapters: the plain object that handles of a part carry, by part name.
        on: the device that ``device`` answers, by part name; "cpu" for others.
        borrowed: how often each handle's key was borrowed.
        borrows: handle and ``working_bytes`` of every borrow, in order; a handle tells its patches and options.
        lent: keys that are borrowed now, each as often as its ``with`` block is open.
    """

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    patches: dict[str, Sequence[PatchSet]] = field(default_factory=dict)
    adapters: dict[str, Any] = field(default_factory=dict)
    on: dict[str, Any] = field(default_factory=dict)
    borrowed: Counter[str] = field(default_factory=Counter)
    borrows: list[tuple[ModelHandle, int]] = field(default_factory=list)
    lent: Counter[str] = field(default_factory=Counter)
    _modules: dict[str, Any] = field(default_factory=dict)

    def open(self, path: Path, *, rounded_to: str | None = None) -> Mapping[str, ModelHandle]:
        if path.name not in self.files:
            raise NodeError(f"no family knows {path.name!r}; this test knows: {', '.join(self.files) or 'none'}")
        return {part: self._handle(part, module) for part, module in self.files[path.name].items()}

    def open_together(
        self, files: Mapping[str, Path], facts: Mapping[str, Any] | None = None
    ) -> Mapping[str, ModelHandle]:
        """The parts of all the files, whose names must differ."""
        return {part: handle for path in files.values() for part, handle in self.open(path).items()}

    def adopt(self, owner: str, module: Any, *, adapter: Any = None, identity: Identity | None = None) -> ModelHandle:
        key = f"{owner}:{id(module)}"
        self._modules[key] = module
        known = identity or Identity(family=owner, kind="adopted", config={}, because="made by a test")
        return ModelHandle(key=key, part=known.kind, identity=known, adapter=adapter)

    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Iterator[Any]:
        if handle.key not in self._modules:
            raise NodeError(f"the handle {handle.key!r} comes from elsewhere: take it from open() or adopt()")
        self.borrowed[handle.key] += 1
        self.borrows.append((handle, working_bytes))
        self.lent[handle.key] += 1
        try:
            yield self._modules[handle.key]
        finally:
            self.lent -= Counter([handle.key])

    def device(self, handle: ModelHandle) -> Any:
        return self.on.get(handle.part, "cpu")

    def weights(self, handle: ModelHandle) -> FakeWeights:
        """The module's own weights; patches are not applied."""
        return FakeWeights(self._modules[handle.key].state_dict())

    def stored(self, handle: ModelHandle) -> StoredPart:
        """The module's own weights by its own names."""
        header = Header(Path(f"{handle.part}.safetensors"), {})
        return StoredPart(header, self._modules[handle.key].state_dict(), {})

    def read_patches(self, path: Path, handles: Sequence[ModelHandle]) -> Sequence[PatchSet]:
        if path.name not in self.patches:
            raise NodeError(f"this test has no patches for {path.name!r}; it has: {', '.join(self.patches) or 'none'}")
        found = self.patches[path.name]
        if len(found) != len(handles):
            raise NodeError(f"{path.name!r} has patches for {len(found)} handles, and {len(handles)} were asked about")
        return found

    def _handle(self, part: str, module: Any) -> ModelHandle:
        identity = Identity(family="fake", kind=part, config={}, because="test")
        return self.adopt("test", module, adapter=self.adapters.get(part), identity=identity)
