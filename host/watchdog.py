"""Ends code that does not come back: a time limit around a block, without a second process."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_REPEAT_SECONDS = 1.0


class TookTooLong(BaseException):
    """The block ran past its limit. Not an ``Exception``, so that a pack's broad handlers let it through."""

    def __init__(self, seconds: float = 0) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TookTooLong inside the block once it has run for ``seconds``.

    On the main thread of a system with interval timers the limit also ends blocking calls such as ``sleep``;
    elsewhere it takes effect at the next Python instruction.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        yield from _by_signal(seconds)
    else:
        yield from _by_thread(seconds)


@contextmanager
def said_if_slow(seconds: float, say: Callable[[], object]) -> Iterator[None]:
    """Call ``say``, on another thread, if the block has not ended after ``seconds``."""
    timer = threading.Timer(seconds, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _by_signal(seconds: float) -> Iterator[None]:
    inside = True

    def stop(number: int, frame: FrameType | None) -> None:
        if inside:
            raise TookTooLong(seconds)

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again, because a loop with a bare `except` would swallow the first one.
    signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
    try:
        yield
    finally:
        inside = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _by_thread(seconds: float) -> Iterator[None]:
    thread = ctypes.c_ulong(threading.get_ident())
    left = threading.Event()
    lock = threading.Lock()

    def stop() -> None:
        wait = seconds
        while not left.wait(wait):
            with lock:
                if not left.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TookTooLong))
            wait = _REPEAT_SECONDS

    threading.Thread(target=stop, name="time-limit", daemon=True).start()
    try:
        yield
    except TookTooLong as error:
        raise TookTooLong(seconds) from error
    finally:
        with lock:
            left.set()
            # What was thrown too late to arrive inside the block must not hit whoever comes after it.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)
