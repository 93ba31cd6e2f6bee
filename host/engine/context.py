"""What a running node gets as its context; also thins out progress."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from host.engine.events import Event, NodeProgress, NodeRef, NodeText
from host.engine.services import NodeServices
from sdk.previews import SentPicture

if TYPE_CHECKING:
    from sdk.context import CancelToken, Folders
    from sdk.models import ModelAccess
    from sdk.sampling import Sampler, Scheduler

PROGRESS_SECONDS = 0.05
"""Steps that follow the last reported one faster than this are not reported, except the last of all."""


class RunContext:
    """``sdk.NodeContext`` for the calls of one node in one run."""

    __slots__ = ("_clock", "_emit", "_ref", "_reported", "_services", "cancel", "node_id", "pack", "prompt_id")

    def __init__(
        self,
        ref: NodeRef,
        pack: str,
        prompt_id: str,
        cancel: CancelToken,
        services: NodeServices,
        emit: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self.node_id, self.prompt_id, self.cancel, self.pack = ref.node_id, prompt_id, cancel, pack
        self._ref, self._services, self._emit, self._clock = ref, services, emit, clock
        self._reported = -PROGRESS_SECONDS

    @property
    def models(self) -> ModelAccess:
        return self._services.models

    @property
    def folders(self) -> Folders:
        return self._services.folders

    @property
    def samplers(self) -> Mapping[str, Sampler]:
        return self._services.samplers

    @property
    def schedulers(self) -> Mapping[str, Scheduler]:
        return self._services.schedulers

    @property
    def settings(self) -> Mapping[str, Any]:
        return self._services.pack_settings.get(self.pack, {})

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"packs.{self.pack or 'unknown'}")

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        self.cancel.raise_if_cancelled()
        now = self._clock()
        due = value >= total or now - self._reported >= PROGRESS_SECONDS
        if due or isinstance(preview, SentPicture):
            self._reported = now
            self._emit(NodeProgress(self.prompt_id, self._ref, value, total, preview))

    def text(self, message: str) -> None:
        self._emit(NodeText(self.prompt_id, self._ref, message))
