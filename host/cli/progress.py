"""What a run looks like in a terminal: the node at work, and one bar for each node that reports steps."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from host.engine.events import Event, NodeFailed, NodeFinished, NodeProgress, NodeStarted, NodeText
from sdk.terminal import say

LONGEST_TITLE = 28


class ProgressBars:
    """An event sink that draws on standard error; nothing where that is no terminal.

    Bars of finished nodes stay, above the line of the node at work.
    """

    def __init__(self, console: Console, titles: Mapping[str, str]) -> None:
        self._console, self._titles = console, titles
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=LONGEST_TITLE)),
            _WhenCounted(BarColumn(bar_width=24)),
            _WhenCounted(MofNCompleteColumn()),
            _WhenCounted(_Speed()),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bars: dict[str, TaskID] = {}
        self._at_work: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hide_line()
        self._progress.stop()

    def stop_at_once(self) -> None:
        """Give the terminal back as it was, for a process that is about to end."""
        self._console.show_cursor(True)

    def emit(self, event: Event) -> None:
        if isinstance(event, NodeStarted):
            self._show_line(event.node.display_id)
        elif isinstance(event, NodeProgress):
            self._hide_line()
            self._progress.update(self._bar(event), completed=event.value, total=event.total)
        elif isinstance(event, NodeFinished) and not event.cached:
            self._complete(event.node.node_id)
        elif isinstance(event, NodeFailed):
            self._hide_line()
        elif isinstance(event, NodeText):
            say(self._console, f"{self._title(event.node.display_id)}: {event.text}", "dim")

    def _show_line(self, node_id: str) -> None:
        """One line for whatever node is at work; adding a task draws at once, which thousands of nodes can't afford."""
        if self._at_work is None:
            self._at_work = self._progress.add_task(self._title(node_id), total=None)
        else:
            self._progress.update(self._at_work, description=self._title(node_id), visible=True)

    def _hide_line(self) -> None:
        if self._at_work is not None:
            self._progress.update(self._at_work, visible=False)

    def _bar(self, event: NodeProgress) -> TaskID:
        node = event.node
        if node.node_id not in self._bars:
            self._bars[node.node_id] = self._progress.add_task(self._title(node.display_id), total=event.total)
        return self._bars[node.node_id]

    def _complete(self, node_id: str) -> None:
        """Fill the bar: the last steps may have been left out for following too fast."""
        bar = self._bars.pop(node_id, None)
        if bar is not None:
            total = next(task.total for task in self._progress.tasks if task.id == bar)
            self._progress.update(bar, completed=total)

    def _title(self, node_id: str) -> str:
        return self._titles.get(node_id, node_id)


class _WhenCounted(ProgressColumn):
    """A column for tasks with steps; empty for others."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self._column = column

    def render(self, task: Task) -> Any:
        return self._column(task) if task.total is not None else Text("")


class _Speed(ProgressColumn):
    """Steps in a second, or seconds for a step."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f} it/s" if speed >= 1 else f"{1 / speed:.1f} s/it", style="cyan")


def titles_of(prompt: Mapping[str, Any]) -> dict[str, str]:
    """What each node of a prompt is called: its own title, or its class."""
    titles: dict[str, str] = {}
    for node_id, node in prompt.items():
        if isinstance(node, Mapping):
            meta = node.get("_meta")
            title = meta.get("title") if isinstance(meta, Mapping) else None
            titles[node_id] = str(title or node.get("class_type") or node_id)
    return titles
