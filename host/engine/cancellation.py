"""Asking one running job to stop, from any thread."""

from __future__ import annotations

import threading

from sdk.errors import Cancelled


class Cancellation:
    """A cancel token: set once, by anybody; looked at by whoever works on the job. Safe between threads.

    The first reason stands. Satisfies ``sdk.context.CancelToken``.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._reason: str | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the job is no longer wanted."""
        return self._event.is_set()

    @property
    def reason(self) -> str | None:
        """Why it was cancelled; None as long as it was not."""
        return self._reason

    def cancel(self, reason: str = "cancelled by the user") -> bool:
        """Ask the job to stop; True if nobody had asked before."""
        with self._lock:
            if self._event.is_set():
                return False
            self._reason = reason
            self._event.set()
            return True

    def raise_if_cancelled(self) -> None:
        """Raise ``sdk.errors.Cancelled`` with the reason once the job is cancelled."""
        if self._event.is_set():
            raise Cancelled(self._reason or "cancelled by the user")
