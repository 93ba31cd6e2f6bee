"""Calls under way beside the run's own thread: thread-safe ones on a small pool, awaited ones on an event loop.

Neither exists, nor is imported, until it is needed.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from host.engine.overlap_async import AwaitedCalls

Finished = tuple[Any, Callable[[], Any]]
"""What was started, and a function that gives its result or raises what it raised."""


class Overlap:
    """The calls under way of one run; used on the run's thread alone, which must not run an event loop.

    Args:
        workers: threads at most.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._threads: dict[Future[Any], Any] = {}
        self._awaited: AwaitedCalls | None = None

    def __len__(self) -> int:
        return len(self._threads) + (len(self._awaited) if self._awaited else 0)

    @property
    def has_room(self) -> bool:
        """Whether one more call on the pool would soon find a thread; so few inputs are held at a time."""
        return len(self._threads) < 2 * self._workers

    def start_thread(self, subject: Any, call: Callable[[], Any]) -> None:
        """Call a function on the pool."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="node")
        future = self._pool.submit(contextvars.copy_context().run, call)
        self._threads[future] = subject
        future.add_done_callback(self._wake)

    def _wake(self, _: Future[Any]) -> None:
        """Called on the pool's threads, and never after ``close``, which waits for them before the loop goes."""
        if self._awaited is not None:
            self._awaited.wake()

    def start_async(self, subject: Any, values: Sequence[Any]) -> None:
        """Await those of the values that are awaitable, all at once; the result is the list of values."""
        self._loop().start(subject, values)

    def complete(self, value: Awaitable[Any], poll: float, check: Callable[[], None]) -> Any:
        """The result of one awaitable, waited for; ``check`` is called every ``poll`` seconds and may raise."""
        return self._loop().complete(value, poll, check)

    def _loop(self) -> AwaitedCalls:
        if self._awaited is None:
            from host.engine.overlap_async import AwaitedCalls

            self._awaited = AwaitedCalls()
        return self._awaited

    def finished(self, timeout: float) -> list[Finished]:
        """What has finished since the last call, oldest first; waits up to ``timeout`` seconds for the first."""
        if self._awaited and not timeout:
            self._awaited.turn()
        elif self._awaited:
            self._awaited.wait(timeout, self._some_thread_done)
        elif self._threads:
            from concurrent.futures import FIRST_COMPLETED, wait

            wait(self._threads, timeout, FIRST_COMPLETED)
        threads = [future for future in self._threads if future.done()]
        done: list[Finished] = [(self._threads.pop(future), future.result) for future in threads]
        return done + (self._awaited.take_finished() if self._awaited else [])

    def _some_thread_done(self) -> bool:
        return any(future.done() for future in self._threads)

    def oldest(self) -> Any:
        """The subject of a call under way that was started before all others of its kind."""
        return next(iter([*self._threads.values(), *(self._awaited.subjects if self._awaited else ())]))

    def close(self) -> None:
        """Wait for what runs on threads, cancel what is awaited, and free everything."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._awaited is not None:
            self._awaited.close()
        self._threads.clear()
        self._pool = self._awaited = None
