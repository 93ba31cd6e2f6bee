"""What a run looks like in a terminal: one bar for each node that reports steps."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from host.engine.events import Event, NodeFinished, NodeProgress, NodeStarted, NodeText


class ProgressBars:
    """An event sink that draws bars on standard error; nothing where that is no terminal."""

    def __init__(self, console: Console, titles: dict[str, str]) -> None:
        self._titles = titles
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def emit(self, event: Event) -> None:
        if isinstance(event, NodeStarted):
            self._bar(event.node.node_id, event.node.display_id)
        elif isinstance(event, NodeProgress):
            bar = self._bar(event.node.node_id, event.node.display_id)
            self._progress.update(bar, completed=event.value, total=event.total, visible=True)
        elif isinstance(event, NodeFinished) and not event.cached:
            self._end(event.node.node_id)
        elif isinstance(event, NodeText):
            self._console.print(f"{self._title(event.node.display_id)}: {event.text}", style="dim")

    def _bar(self, node_id: str, display_id: str) -> TaskID:
        if node_id not in self._bars:
            self._bars[node_id] = self._progress.add_task(self._title(display_id), total=None, visible=False)
        return self._bars[node_id]

    def _end(self, node_id: str) -> None:
        bar = self._bars.pop(node_id, None)
        if bar is not None and not self._progress.tasks[self._progress.task_ids.index(bar)].visible:
            self._progress.remove_task(bar)

    def _title(self, node_id: str) -> str:
        return self._titles.get(node_id, node_id)


def titles_of(prompt: Mapping[str, Any]) -> dict[str, str]:
    """What each node of a prompt is called: its own title, or its class."""
    titles: dict[str, str] = {}
    for node_id, node in prompt.items():
        if isinstance(node, Mapping):
            meta = node.get("_meta")
            title = meta.get("title") if isinstance(meta, Mapping) else None
            titles[node_id] = str(title or node.get("class_type") or node_id)
    return titles
