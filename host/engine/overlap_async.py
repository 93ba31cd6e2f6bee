"""The event loop of a run, made when a node first returns something to await.

It runs on the run's thread, and only while the run would wait anyway or gives it a turn; so asynchronous nodes overlap
with each other, and never run at the same moment as an ordinary node of that thread.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any


class AwaitedCalls:
    """The awaited calls of one run. Only ``wake`` may be called from another thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._woken = asyncio.Event()
        self._tasks: dict[asyncio.Task[Any], Any] = {}
        self._done: list[asyncio.Task[Any]] = []

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def subjects(self) -> list[Any]:
        return list(self._tasks.values())

    def start(self, subject: Any, values: Sequence[Any]) -> None:
        """Await those of the values that are awaitable, all at once; the result is the list of values."""
        task = self._loop.create_task(_settle(values))
        self._tasks[task] = subject
        task.add_done_callback(self._note)
        self.turn()

    def _note(self, task: asyncio.Task[Any]) -> None:
        self._done.append(task)
        self._woken.set()

    def complete(self, value: Awaitable[Any], poll: float, check: Callable[[], None]) -> Any:
        """The result of one awaitable, waited for; ``check`` is called every ``poll`` seconds and may raise."""
        task = self._loop.create_task(_await(value))
        while not task.done():
            check()
            self._loop.run_until_complete(asyncio.wait([task], timeout=poll))
        return task.result()

    def turn(self) -> None:
        """Let awaited calls go on as far as they can without waiting."""
        self._loop.run_until_complete(asyncio.sleep(0))

    def wait(self, timeout: float, enough: Callable[[], bool]) -> None:
        """Return when a call is done, ``wake`` was called, or the time is up; at once if ``enough`` says so."""
        self._loop.run_until_complete(self._first(timeout, enough))

    async def _first(self, timeout: float, enough: Callable[[], bool]) -> None:
        self._woken.clear()
        if self._done or enough():
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), timeout)

    def wake(self) -> None:
        """End a ``wait`` early, from any thread."""
        self._loop.call_soon_threadsafe(self._woken.set)

    def take_finished(self) -> list[tuple[Any, Callable[[], Any]]]:
        """The calls that are done, each with a function that gives or raises its result."""
        done, self._done = self._done, []
        return [(self._tasks.pop(task), task.result) for task in done]

    def close(self) -> None:
        """Cancel every call, wait for their ends, and free the loop."""
        tasks = {*self._tasks, *asyncio.all_tasks(self._loop)}  # those that a node started itself, too
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks))
        for task in tasks:
            if not task.cancelled():
                task.exception()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _settle(values: Sequence[Any]) -> list[Any]:
    awaited = iter(await asyncio.gather(*[_await(value) for value in values if inspect.isawaitable(value)]))
    return [next(awaited) if inspect.isawaitable(value) else value for value in values]


async def _await(value: Awaitable[Any]) -> Any:
    return await value
