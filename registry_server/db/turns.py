"""Lets threads write one after the other, in the order in which they came.

SQLite has one writer at a time. Who finds another one writing asks again every tenth of a second; so under load,
when somebody else is always there first, a thread can ask in vain until its time is up ("database is locked").
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class NoTurn(Exception):
    """A thread's turn did not come in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"other transactions of this process have been writing for {self.seconds:g} s"


class Turn:
    """One thread's place in the line; ``take`` waits until it is the first there."""

    def __init__(self, turns: Turns) -> None:
        self._turns, self._queued = turns, False
        self.come = threading.Event()

    def take(self) -> None:
        """Return once nobody else may write; at once where this turn was taken before.

        Raises:
            NoTurn: it took too long.
        """
        if not self._queued:
            self._queued = True
            self._turns.wait(self)

    def end(self) -> None:
        """Let the next one write."""
        if self._queued:
            self._queued = False
            self._turns.leave(self)


class Turns:
    """The line of threads that write or wait for it. Safe between threads; a turn may end in another one.

    Args:
        seconds: after so many a thread waits no longer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._line = deque[Turn]()
        self._lock = threading.Lock()

    @property
    def length(self) -> int:
        """How many threads write or wait for it."""
        return len(self._line)

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """A turn that has ended after the block, whether or not it was taken in it."""
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.end()

    def wait(self, turn: Turn) -> None:
        """Queue up, and return at the front; errors as for ``Turn.take``."""
        with self._lock:
            self._line.append(turn)
            if self._line[0] is turn:
                return
        if not turn.come.wait(self._seconds):
            raise NoTurn(self._seconds)

    def leave(self, turn: Turn) -> None:
        """Leave the line, from wherever in it; who is at the front then may go on."""
        with self._lock:
            self._line.remove(turn)
            if self._line:
                self._line[0].come.set()
