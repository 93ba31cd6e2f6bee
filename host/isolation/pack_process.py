"""An isolated pack's process, started when it is needed, and again after it ended."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable
from typing import Any

from host.isolation.process import IsolatedPack, Life
from sdk.context import NodeContext


class State:
    """A node's own state, which lives in the pack's process; made there when it is first used."""

    _numbers = itertools.count(1)

    def __init__(self, forget: Callable[[int], None]) -> None:
        self.number = next(State._numbers)
        weakref.finalize(self, forget, self.number)


class PackProcess:
    """The process of an isolated pack, whichever it is just now. Safe between threads; one lock guards the choice."""

    def __init__(self, pack: IsolatedPack) -> None:
        self.pack = pack
        self._lock = threading.Lock()
        self._life: Life | None = None
        self._deaths = 0

    @property
    def deaths(self) -> int:
        """How many of its processes have ended."""
        with self._lock:
            self._notice_end()
            return self._deaths

    def load(self) -> dict[str, Any]:
        """Start the process, if there is none, and have the pack loaded; what it says of itself."""
        with self._lock:
            self._notice_end()
            life = self._life or Life(self.pack)
            try:
                loaded = life.load()
            except BaseException:
                life.end()
                raise
            self._life = life
            return loaded

    def call(self, what: str, node_id: str, arguments: tuple[Any, ...], context: NodeContext | None = None) -> Any:
        """What a function of a node gives; raises as ``Life.call`` does."""
        return self._running().call(what, node_id, arguments, context)

    def forget(self, state: int) -> None:
        """A node's state is no longer needed."""
        if (life := self._life) is not None:
            life.forgotten.append(state)

    def end(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            if self._life is not None:
                self._life.end()

    def _running(self) -> Life:
        with self._lock:
            self._notice_end()
            if self._life is not None:
                return self._life
        self.load()
        return self._running()

    def _notice_end(self) -> None:
        if self._life is not None and not self._life.alive:
            self._life, self._deaths = None, self._deaths + 1
