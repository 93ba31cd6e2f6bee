"""Calls under way beside the run's own thread: awaited ones on an event loop, thread-safe ones on a small pool.

Neither exists until it is needed. The loop runs on the run's thread, and only while the run would wait anyway or gives
it a turn; so asynchronous nodes overlap with each other, and never run at the same moment as an ordinary node.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

Finished = tuple[Any, Callable[[], Any]]
"""What was started, and a function that gives its result or raises what it raised."""


class Overlap:
    """The calls under way of one run; used on the run's thread alone. That thread must not run an event loop.

    Args:
        workers: threads at most.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_done = asyncio.Event()
        self._threads: dict[Future[Any], Any] = {}
        self._tasks: dict[asyncio.Task[Any], Any] = {}

    def __len__(self) -> int:
        return len(self._threads) + len(self._tasks)

    def start_thread(self, subject: Any, call: Callable[[], Any]) -> None:
        """Call a function on the pool."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="node")
        future = self._pool.submit(contextvars.copy_context().run, call)
        self._threads[future] = subject
        future.add_done_callback(self._tell_loop)

    def start_async(self, subject: Any, values: Sequence[Any]) -> None:
        """Await those of the values that are awaitable, all at once; the result is the list of values."""
        task = self._open_loop().create_task(_settle(values))
        self._tasks[task] = subject
        self._turn()

    def complete(self, value: Awaitable[Any]) -> Any:
        """The result of one awaitable, waited for."""
        return self._open_loop().run_until_complete(_await(value))

    def finished(self, timeout: float) -> list[Finished]:
        """What has finished since the last call, oldest first; waits up to ``timeout`` seconds for the first."""
        self._wait(timeout)
        threads = [future for future in self._threads if future.done()]
        tasks = [task for task in self._tasks if task.done()]
        done: list[Finished] = [(self._threads.pop(future), future.result) for future in threads]
        return done + [(self._tasks.pop(task), task.result) for task in tasks]

    def oldest(self) -> Any:
        """The subject of a call under way that was started before all others of its kind."""
        return next(iter((self._threads or self._tasks).values()))

    def close(self) -> None:
        """Cancel what is awaited, wait for what runs on threads, and free everything."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._loop is not None:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                self._loop.run_until_complete(asyncio.wait(list(self._tasks)))
            for task in self._tasks:
                if not task.cancelled():
                    task.exception()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
        self._threads.clear()
        self._tasks.clear()
        self._pool = self._loop = None

    def _open_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    def _turn(self) -> None:
        """Let awaited calls go on as far as they can without waiting."""
        assert self._loop is not None
        self._loop.run_until_complete(asyncio.sleep(0))

    def _wait(self, timeout: float) -> None:
        if not self._tasks:
            wait(self._threads, timeout, FIRST_COMPLETED)
            return
        assert self._loop is not None
        if timeout == 0:
            self._turn()
            return
        self._loop.run_until_complete(self._first(timeout))

    async def _first(self, timeout: float) -> None:
        """Return when a task or a thread is done, or the time is up."""
        self._thread_done.clear()
        if any(future.done() for future in self._threads):
            return
        thread = asyncio.ensure_future(self._thread_done.wait())
        await asyncio.wait([*self._tasks, thread], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        thread.cancel()

    def _tell_loop(self, _: Future[Any]) -> None:
        """Called on the pool's threads, and never after ``close``, which waits for them before the loop goes."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._thread_done.set)


async def _settle(values: Sequence[Any]) -> list[Any]:
    awaited = iter(await asyncio.gather(*[_await(value) for value in values if inspect.isawaitable(value)]))
    return [next(awaited) if inspect.isawaitable(value) else value for value in values]


async def _await(value: Awaitable[Any]) -> Any:
    return await value
