"""Stand-ins for what a host gives a running node."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdk.context import SavePlace
from sdk.errors import Cancelled, NodeError
from sdk.sampling import Sampler, Scheduler
from sdk.testing.models import FakeModels


@dataclass
class FakeCancelToken:
    """A cancel token that a test sets by hand."""

    cancelled: bool = False

    def raise_if_cancelled(self) -> None:
        if self.cancelled:
            raise Cancelled


@dataclass
class FakeFolders:
    """Folders below one root: ``models/<kind>``, ``input``, ``output``, ``temp``; made when first used."""

    root: Path

    def names(self, kind: str) -> Sequence[str]:
        folder = self.root / "models" / kind
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def find(self, kind: str, name: str) -> Path:
        path = self.root / "models" / kind / name
        if not path.is_file():
            raise NodeError(f"there is no {kind} file {name!r}; there are: {', '.join(self.names(kind)) or 'none'}")
        return path

    def input_file(self, name: str) -> Path:
        path = self.root / "input" / name
        if not path.is_file():
            raise NodeError(f"there is no input file {name!r}")
        return path

    def place(self, prefix: str, *, root: str = "output", size: tuple[int, int] | None = None) -> SavePlace:
        subfolder, _, stem = prefix.rpartition("/")
        folder = self.root / root / subfolder
        folder.mkdir(parents=True, exist_ok=True)
        return SavePlace(folder, stem, len(list(folder.glob(f"{stem}_*"))) + 1, subfolder, root)


@dataclass
class FakeContext:
    """A node's context that writes down what the node reports.

    Attributes:
        progressed: ``(value, total)`` of every call of ``progress``.
        texts: every line given to ``text``.
        cancel_after: cancel once this many steps are reported.
    """

    root: Path | None = None
    models: FakeModels = field(default_factory=FakeModels)
    samplers: Mapping[str, Sampler] = field(default_factory=dict)
    schedulers: Mapping[str, Scheduler] = field(default_factory=dict)
    node_id: str = "1"
    prompt_id: str = "test"
    cancel: FakeCancelToken = field(default_factory=FakeCancelToken)
    cancel_after: int | None = None
    progressed: list[tuple[float, float]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("sdk.testing"))

    @property
    def folders(self) -> FakeFolders:
        if self.root is None:
            raise NodeError("this test gave the node no folders: pass FakeContext(root=tmp_path)")
        return FakeFolders(self.root)

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        self.progressed.append((value, total))
        if self.cancel_after is not None and len(self.progressed) >= self.cancel_after:
            self.cancel.cancelled = True
        self.cancel.raise_if_cancelled()

    def text(self, message: str) -> None:
        self.texts.append(message)
