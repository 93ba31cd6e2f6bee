"""A model manager without models: hands out whatever modules a test gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdk.errors import NodeError
from sdk.models import Identity, ModelHandle, PatchSet


@dataclass
class FakeModels:
    """Implements ``ModelAccess`` over modules in memory.

    Attributes:
        files: parts by file name, ``{"tiny.safetensors": {"vae": module}}``.
        patches: patch sets by file name.
        borrowed: how often each handle's key was borrowed.
    """

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    patches: dict[str, Sequence[PatchSet]] = field(default_factory=dict)
    borrowed: Counter[str] = field(default_factory=Counter)
    _modules: dict[str, Any] = field(default_factory=dict)

    def open(self, path: Path) -> Mapping[str, ModelHandle]:
        if path.name not in self.files:
            raise NodeError(f"no family knows {path.name!r}; this test knows: {', '.join(self.files) or 'none'}")
        return {
            part: self.adopt("test", module, identity=Identity(family="fake", kind=part, config={}, because="test"))
            for part, module in self.files[path.name].items()
        }

    def adopt(self, owner: str, module: Any, *, adapter: Any = None, identity: Identity | None = None) -> ModelHandle:
        key = f"{owner}:{id(module)}"
        self._modules[key] = module
        known = identity or Identity(family=owner, kind="adopted", config={}, because="made by a test")
        return ModelHandle(key=key, part=known.kind, identity=known, adapter=adapter)

    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Iterator[Any]:
        self.borrowed[handle.key] += 1
        yield self._modules[handle.key]

    def device(self, handle: ModelHandle) -> Any:
        return "cpu"

    def read_patches(self, path: Path, handles: Sequence[ModelHandle]) -> Sequence[PatchSet]:
        return self.patches[path.name]
