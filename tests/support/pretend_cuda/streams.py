"""Streams and events of a pretended device: nothing runs late, but who waited for whom is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class Stream:
    """Stands in for ``torch.cuda.Stream``."""

    def __init__(self, device: Any = None) -> None:
        self._done = 0
        self._awaited: dict[Stream, int] = {}
        self.synchronised = 0

    def work(self) -> int:
        """Do one more thing; returns how many that makes."""
        self._done += 1
        return self._done

    def awaited(self, other: Stream) -> int:
        """How much of another stream's work this one has waited for."""
        return self._awaited.get(other, 0)

    def record_event(self) -> Event:
        return Event(self, self._done)

    def wait_event(self, event: Event) -> None:
        self._awaited[event.stream] = max(self.awaited(event.stream), event.done)


@dataclass(frozen=True)
class Event:
    """Stands in for ``torch.cuda.Event``, once recorded on a stream that had ``done`` so much."""

    stream: Stream
    done: int

    def synchronize(self) -> None:
        self.stream.synchronised += 1


class Streams:
    """The streams of a device, and the one that work goes to."""

    def __init__(self) -> None:
        self.current = Stream()

    @contextmanager
    def entered(self, stream: Stream) -> Iterator[None]:
        """Work goes to ``stream`` inside the block."""
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before
