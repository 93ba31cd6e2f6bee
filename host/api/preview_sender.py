"""Makes, encodes and sends previews on a thread of its own: never more than ten a second, and none too late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from host.api import frames
from host.api.frames import Frame
from host.api.sockets import Sockets
from host.engine.events import NodeRef

SECONDS_BETWEEN = 0.1


@dataclass(frozen=True, eq=False)
class Wanted:
    """A step to be shown; ``make`` gives the picture, or None."""

    client_id: str | None
    job_id: str
    node: NodeRef
    make: Callable[[], Any]


class PreviewSender:
    """Shows the newest step of whatever runs; older ones that were not sent yet are left out.

    One condition guards the step that waits and the one at work.
    """

    def __init__(self, sockets: Sockets, seconds_between: float = SECONDS_BETWEEN) -> None:
        self._sockets, self._seconds_between = sockets, seconds_between
        self._changed = threading.Condition()
        self._waiting: Wanted | None = None
        self._at_work: Wanted | None = None
        self._closed = False
        self._worker: threading.Thread | None = None

    def show(self, wanted: Wanted) -> None:
        """Send this step soon, unless a newer one comes or its node ends before."""
        with self._changed:
            self._waiting = wanted
            if self._worker is None and not self._closed:
                self._worker = threading.Thread(target=self._work, name="previews", daemon=True)
                self._worker.start()
            self._changed.notify_all()

    def withdraw(self) -> None:
        """Send nothing more of what was wanted so far: its node has ended."""
        with self._changed:
            self._waiting = self._at_work = None

    def close(self) -> None:
        """Stop; the picture at work is not sent any more."""
        with self._changed:
            self._closed, self._waiting, self._at_work = True, None, None
            self._changed.notify_all()

    def _work(self) -> None:
        next_at = 0.0
        while (wanted := self._next(next_at)) is not None:
            next_at = time.monotonic() + self._seconds_between
            picture = wanted.make()
            made = None if picture is None else frames.preview(picture, wanted.node, wanted.job_id)
            with self._changed:
                if made is not None and self._at_work is wanted:
                    self._sockets.send(Frame(wanted.client_id, *made))
                self._at_work = None

    def _next(self, not_before: float) -> Wanted | None:
        """The step to show, once there is one and it is time; None when closed."""
        with self._changed:
            while not self._closed:
                remaining = not_before - time.monotonic()
                if self._waiting is not None and remaining <= 0:
                    self._at_work, self._waiting = self._waiting, None
                    return self._at_work
                self._changed.wait(None if self._waiting is None else remaining)
            return None
