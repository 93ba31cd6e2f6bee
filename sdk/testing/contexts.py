"""Stand-ins for what a host gives a running node."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdk.errors import Cancelled, NodeError
from sdk.sampling import Sampler, Scheduler
from sdk.testing.folders import FakeFolders
from sdk.testing.models import FakeModels


@dataclass
class FakeCancelToken:
    """A cancel token that a test sets by hand."""

    cancelled: bool = False

    def raise_if_cancelled(self) -> None:
        if self.cancelled:
            raise Cancelled


@dataclass
class FakeContext:
    """A node's context that writes down what the node reports.

    Attributes:
        root: where its folders lie, usually pytest's ``tmp_path``; without it, a node that asks for one fails.
        progressed: ``(value, total)`` of every call of ``progress``.
        previews: every preview given to ``progress``.
        texts: every line given to ``text``.
        cancel_after: cancel once this many steps are reported.
        settings: what the user's settings file says of the node's pack.
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
    previews: list[Any] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("sdk.testing"))

    @property
    def folders(self) -> FakeFolders:
        if self.root is None:
            raise NodeError("this test gave the node no folders: pass FakeContext(root=tmp_path)")
        return FakeFolders(self.root)

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        self.progressed.append((value, total))
        if preview is not None:
            self.previews.append(preview)
        if self.cancel_after is not None and len(self.progressed) >= self.cancel_after:
            self.cancel.cancelled = True
        self.cancel.raise_if_cancelled()

    def text(self, message: str) -> None:
        self.texts.append(message)
