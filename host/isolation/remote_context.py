"""What a node of an isolated pack gets as its context: questions and reports go to the host."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from host.engine.context import PROGRESS_SECONDS
from sdk.context import SavePlace
from sdk.errors import Cancelled, NodeError

Ask = Callable[..., Any]
"""``ask(method, *arguments)``: what the host's folders answer."""


class RemoteCancel:
    """Set by the host, looked at by the node. Satisfies ``sdk.context.CancelToken``."""

    def __init__(self) -> None:
        self._event, self._reason = threading.Event(), ""

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def cancel(self, reason: str) -> None:
        """The job is no longer wanted."""
        self._reason = reason
        self._event.set()

    def raise_if_cancelled(self) -> None:
        if self._event.is_set():
            raise Cancelled(self._reason)


class RemoteFolders:
    """The host's folders. Satisfies ``sdk.context.Folders``."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def names(self, kind: str) -> Sequence[str]:
        return tuple(self._ask("names", kind))

    def find(self, kind: str, name: str) -> Path:
        return Path(self._ask("find", kind, name))

    def input_file(self, name: str) -> Path:
        return Path(self._ask("input_file", name))

    def place(self, prefix: str, *, root: str = "output", size: tuple[int, int] | None = None) -> SavePlace:
        place: SavePlace = self._ask("place", prefix, root, size)
        return place


class _NotHere(Mapping[str, Any]):
    """Says, as soon as it is used, that isolated packs have no such thing."""

    def __init__(self, pack: str, what: str) -> None:
        self._error = NodeError(
            f"pack {pack} runs in a process of its own, where the host's {what} can't be used. Install it without "
            "--isolate, or use other nodes for this."
        )

    def __getattr__(self, name: str) -> Any:
        raise self._error

    def __getitem__(self, name: str) -> Any:
        raise self._error

    def __iter__(self) -> Iterator[str]:
        raise self._error

    def __len__(self) -> int:
        raise self._error


class RemoteContext:
    """Satisfies ``sdk.NodeContext``, except for models, samplers and schedulers.

    Args:
        tell: sends a report about this call.
    """

    def __init__(
        self,
        pack: str,
        node_id: str,
        prompt_id: str,
        settings: Mapping[str, Any],
        tell: Callable[..., None],
        ask: Ask,
    ) -> None:
        self.node_id, self.prompt_id, self.settings = node_id, prompt_id, settings
        self.cancel = RemoteCancel()
        self.folders = RemoteFolders(ask)
        self.logger = logging.getLogger(f"packs.{pack}")
        self.models: Any = _NotHere(pack, "models")
        self.samplers: Any = _NotHere(pack, "samplers")
        self.schedulers: Any = _NotHere(pack, "schedulers")
        self._tell, self._reported = tell, -PROGRESS_SECONDS

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        self.cancel.raise_if_cancelled()
        now = time.monotonic()
        if value >= total or now - self._reported >= PROGRESS_SECONDS:
            self._reported = now
            self._tell("progress", value, total, preview)

    def text(self, message: str) -> None:
        self._tell("text", message)
