"""A node context without an engine: real folders, a cancel switch, and what the node said."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.folders import LocalFolders
from sdk.errors import Cancelled, NodeError


@dataclass
class CancelSwitch:
    """A cancel token that the test turns."""

    cancelled: bool = False

    def raise_if_cancelled(self) -> None:
        if self.cancelled:
            raise Cancelled


class NoModels:
    """A model library without files."""

    def names(self, kind: str) -> Sequence[str]:
        return ()

    def find(self, kind: str, name: str) -> Path:
        raise NodeError(f"no {kind} called {name}")


@dataclass
class LoneContext:
    """``sdk.context.NodeContext`` for one call of one node.

    Attributes:
        said: lines of text and progress, in order.
    """

    folders: LocalFolders
    node_id: str = "1"
    prompt_id: str = "test"
    cancel: CancelSwitch = field(default_factory=CancelSwitch)
    models: Any = None
    samplers: Mapping[str, Any] = field(default_factory=dict)
    schedulers: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("tests.node"))
    said: list[Any] = field(default_factory=list)

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        self.cancel.raise_if_cancelled()
        self.said.append((value, total))

    def text(self, message: str) -> None:
        self.said.append(message)


def context_in(base: Path, **options: Any) -> LoneContext:
    """A context whose folders lie below ``base``; options are those of ``LocalFolders``."""
    return LoneContext(LocalFolders(base, NoModels(), **options))
