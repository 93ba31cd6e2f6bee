"""Results that are computed before they are asked for, while the caller waits for something else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

ArgumentT = TypeVar("ArgumentT")
ResultT = TypeVar("ResultT")

WORKER = "ahead"
"""How the names of its threads begin."""


class Ahead(Generic[ArgumentT, ResultT]):
    """A function whose arguments can be told in advance: then a thread of its own computes some results ahead.

    One thread at a time calls ``function``: the caller's as long as nothing is foretold, then the other one.

    Args:
        most: results that wait to be asked for.
    """

    def __init__(self, function: Callable[[ArgumentT], ResultT], most: int) -> None:
        self._function, self._most = function, most
        self._coming: Iterator[ArgumentT] = iter(())
        self._begun: deque[tuple[ArgumentT, Future[ResultT]]] = deque()
        self._worker: ThreadPoolExecutor | None = None

    def foretell(self, arguments: Iterable[ArgumentT]) -> None:
        """Begin with what will be asked for, in this order. Anything else can still be asked for between."""
        self.close()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=WORKER)
        self._coming = iter(arguments)
        for _ in range(self._most):
            self._begin()

    def close(self) -> None:
        """Leave what has not been asked for; the caller's thread computes what still is."""
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)
        self._worker = None
        self._begun.clear()

    def __call__(self, argument: ArgumentT) -> ResultT:
        if self._worker is None:
            return self._function(argument)
        if not self._begun or self._begun[0][0] != argument:
            return self._worker.submit(self._function, argument).result()
        _, result = self._begun.popleft()
        self._begin()
        return result.result()

    def _begin(self) -> None:
        if self._worker is not None and (argument := next(self._coming, None)) is not None:
            self._begun.append((argument, self._worker.submit(self._function, argument)))
