"""Progress of an installation in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn

from registry_client.watching import Nobody, Watcher
from sdk.terminal import stderr


class Bars:
    """A line for the step at work, and a bar for each download."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._step = progress.add_task("starting", total=None)
        self._bars: dict[str, TaskID] = {}

    def step(self, name: str) -> None:
        """Show the step."""
        self._progress.update(self._step, description=name)

    def download(self, name: str, size: int) -> None:
        """Show a bar."""
        self._bars[name] = self._progress.add_task(name, total=size or None)

    def received(self, name: str, count: int) -> None:
        """Move a bar."""
        self._progress.advance(self._bars[name], count)


@contextmanager
def watching(*, quiet: bool) -> Iterator[Watcher]:
    """A watcher: bars where standard error is a terminal, and nothing where it is not, or with ``quiet``."""
    console = stderr()
    if quiet or not console.is_terminal:
        yield Nobody()
        return
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)
