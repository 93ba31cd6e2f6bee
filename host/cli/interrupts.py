"""Ctrl-C: the first one cancels the job at its next step, the second one ends the program at once."""

from __future__ import annotations

import _thread
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sdk.commands import ExitCode

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_UNWIND = 1.0


@contextmanager
def interrupts(first: Callable[[], object], last: Callable[[], object]) -> Iterator[None]:
    """Call ``first`` at the first SIGINT or SIGTERM in the block; end the block, or the process, at the second.

    Python runs signal handlers between two instructions, so a long tensor operation would hold them up, and make two
    signals one. A thread that is told of each signal as it arrives does not wait.

    Args:
        first: called from that thread.
        last: called from it right before the process ends without unwinding, because the block would not end.

    Raises:
        KeyboardInterrupt: at the second signal, if the block comes to an end soon.
    """
    watcher = _Watcher(first, last)
    handlers = {number: signal.signal(number, watcher.handle) for number in SIGNALS}
    wake_up = signal.set_wakeup_fd(watcher.told.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wake_up)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        watcher.stop()


class _Watcher(threading.Thread):
    def __init__(self, first: Callable[[], object], last: Callable[[], object]) -> None:
        super().__init__(name="interrupts", daemon=True)
        self._first, self._last = first, last
        self._listening, self.told = socket.socketpair()
        self.told.setblocking(False)
        self._over = threading.Event()
        self._count, self._raised = 0, False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Runs on the main thread, some time after the signal."""
        if self._count > 1 and not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    def run(self) -> None:
        while numbers := self._listening.recv(64):
            for number in numbers:
                if number in SIGNALS and not self._over.is_set():
                    self._arrived()

    def _arrived(self) -> None:
        self._count += 1
        if self._count == 1:
            self._first()
            return
        _thread.interrupt_main()
        if not self._over.wait(SECONDS_TO_UNWIND):
            self._last()
            os._exit(ExitCode.CANCELLED)

    def stop(self) -> None:
        self._over.set()
        self.told.close()
        self.join()
        self._listening.close()
